//! Fingerprints of eventIDs: SipHash-2-4 under a fixed key.
//!
//! They are written to the journal and to snapshots, so they must be the same on every machine and in every
//! version, which no hash that comes with a hash table promises. Chance gives two records of one minute the
//! same fingerprint once in 2^64 pairs: a minute of a million records loses one of them to it every 37 million
//! minutes.
//!
//! Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), section 2 and appendix A.

use std::borrow::Cow;

const KEY: [u64; 2] = [u64::from_le_bytes(*b"trailsig"), u64::from_le_bytes(*b"ht event")];

/// Length of the suffix of a string that was cut: a tilde and 16 hexadecimal digits.
const SUFFIX: usize = 17;

/// The fingerprint of an eventID.
pub(super) fn fingerprint(event_id: &str) -> u64 {
    siphash(KEY, event_id.as_bytes())
}

/// The text when it has at most `limit` bytes. A longer one is cut, and ends in a tilde and its fingerprint, so
/// that different strings stay different.
pub(super) fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let cut = text.floor_char_boundary(limit.saturating_sub(SUFFIX));
    Cow::Owned(format!("{}~{:016x}", &text[..cut], fingerprint(text)))
}

/// SipHash-2-4 of `bytes` under `key`.
fn siphash(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = State([
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ]);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8; // modulo 256, as defined
    state.absorb(u64::from_le_bytes(last));
    state.finish()
}

struct State([u64; 4]);

impl State {
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.rounds(2);
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.rounds(4);
        self.0.into_iter().fold(0, |folded, word| folded ^ word)
    }

    fn rounds(&mut self, count: usize) {
        let [mut a, mut b, mut c, mut d] = self.0;
        for _ in 0..count {
            a = a.wrapping_add(b);
            c = c.wrapping_add(d);
            b = b.rotate_left(13) ^ a;
            d = d.rotate_left(16) ^ c;
            a = a.rotate_left(32);
            c = c.wrapping_add(b);
            a = a.wrapping_add(d);
            b = b.rotate_left(17) ^ c;
            d = d.rotate_left(21) ^ a;
            c = c.rotate_left(32);
        }
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix A of the paper, and the first and last of the vectors published with its reference code.
    #[test]
    fn published_vectors() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..63).collect();
        for (length, hash) in [(0, 0x726f_db47_dd0e_0e31), (15, 0xa129_ca61_49be_45e5), (63, 0x958a_324c_eb06_4572)] {
            assert_eq!(siphash(key, &input[..length]), hash, "{length} bytes");
        }
    }

    /// Journals hold these: the key and the hash may not change.
    #[test]
    fn the_fingerprint_is_part_of_the_format() {
        assert_eq!(fingerprint("7ab3d2f1-0000-4000-8000-0123456789ab"), 0x2f64_3071_afc6_df2f);
    }

    #[test]
    fn long_strings_are_cut_and_stay_different() {
        assert_eq!(bounded("abc", 3), "abc");
        let (a, b) = ("ä".repeat(300) + "a", "ä".repeat(300) + "b");
        let (short_a, short_b) = (bounded(&a, 512), bounded(&b, 512));
        assert!(short_a.len() <= 512 && short_a.starts_with("äääää"), "{short_a}");
        assert_ne!(short_a, short_b);
        assert_eq!(bounded(&a, 0).len(), SUFFIX, "no room is room for the hash");
    }
}
