//! Question: how to keep hundreds of non-negative numbers of a series in a few hundred bytes.
//!
//! Formula: sixteen bits, value = (1 + m/1024) · 2^(e−14) with six bits of e, subnormal below 2^−13; eight bits for
//! whole counts, value = (8 + m) · 2^(e−1) with five bits of e, exact below 16. Relative error of rounding at
//! most 2^−11 and 2^−3. Saturates at 2^50 and at 15 · 2^30. Cost: a few shifts.

const MANTISSA: u32 = 10;
/// Difference between the exponents' biases of f64 and of the sixteen-bit form, at the place of the exponent.
const REBIAS: u64 = (1023 - 14) << MANTISSA;
const SUBNORMAL_STEP: f64 = 1.0 / 8_388_608.0; // 2^-23
const LEAST_NORMAL: f64 = 1.0 / 8192.0;
const DROPPED: u32 = 52 - MANTISSA;

/// Discounted totals below this are forgotten: rounding would keep the last steps of a decay for ever.
const LEAST_TOTAL: f64 = 0.02;

/// The nearest sixteen-bit value of a discounted total, zero below [`LEAST_TOTAL`].
pub(crate) fn encode_total(value: f64) -> u16 {
    if value < LEAST_TOTAL { 0 } else { encode(value) }
}

/// The nearest sixteen-bit value; negative and NaN become zero.
pub(crate) fn encode(value: f64) -> u16 {
    round(value, 1 << (DROPPED - 1), 0.5)
}

/// The least sixteen-bit value that is not below `value` (below saturation).
pub(crate) fn encode_up(value: f64) -> u16 {
    round(value, (1 << DROPPED) - 1, 1.0 - 1e-9)
}

fn round(value: f64, carry: u64, fraction: f64) -> u16 {
    if value <= 0.0 || value.is_nan() {
        return 0;
    }
    if value < LEAST_NORMAL {
        return (value / SUBNORMAL_STEP + fraction) as u16;
    }
    let shifted = value.to_bits().saturating_add(carry) >> DROPPED;
    u16::try_from(shifted.saturating_sub(REBIAS)).unwrap_or(u16::MAX)
}

/// The value of a sixteen-bit code; every code has one.
pub(crate) fn decode(code: u16) -> f64 {
    if code < 1 << MANTISSA {
        return f64::from(code) * SUBNORMAL_STEP;
    }
    f64::from_bits((u64::from(code) + REBIAS) << DROPPED)
}

/// The largest eight-bit count that is not above `count`.
pub(crate) fn encode_count(count: u32) -> u8 {
    if count < 8 {
        return count as u8;
    }
    let shift = 28 - count.leading_zeros();
    (((shift + 1) << 3) | ((count >> shift) & 7)) as u8
}

/// The count of an eight-bit code.
pub(crate) fn decode_count(code: u8) -> f64 {
    if code < 8 {
        return f64::from(code);
    }
    ((u64::from(code & 7) + 8) << ((code >> 3) - 1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_code_is_its_own_value() {
        for code in 0..=u16::MAX {
            assert_eq!(encode(decode(code)), code);
            assert_eq!(encode_up(decode(code)), code);
        }
        for code in 0..=239_u8 {
            assert_eq!(encode_count(decode_count(code) as u32), code);
        }
    }

    #[test]
    fn what_is_no_count_is_zero_and_what_is_too_large_saturates() {
        assert_eq!((encode(f64::NAN), encode(-1.0), encode(0.0)), (0, 0, 0));
        assert_eq!(encode(f64::INFINITY), u16::MAX);
        assert!(decode(u16::MAX) < 1.2e15);
    }

    proptest! {
        #[test]
        fn rounding_stays_within_its_bound(exponent in -9.0_f64..34.0, count in 0_u32..) {
            let value = libm::exp(exponent);
            prop_assert!((decode(encode(value)) - value).abs() <= value / 2048.0);
            prop_assert!(decode(encode_up(value)) >= value);
            let kept = decode_count(encode_count(count));
            prop_assert!(kept <= f64::from(count) && kept * 1.125 >= f64::from(count));
        }
    }
}
