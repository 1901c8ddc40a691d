//! Standard Webhooks signatures (specification 1.0): `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// Most keys at once: the one in use and, while it is rotated, the one before.
pub const MAX_KEYS: usize = 2;
/// Bytes a key may have, by the specification.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why signing keys cannot be used; never says what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `whsec_` and base64.
    #[error("signing key {0} is not `whsec_` followed by base64")]
    NotBase64(usize),
    /// Too short to be safe, or too long to be meant.
    #[error("signing key {at} has {bytes} bytes; 24 to 64 are allowed")]
    Length {
        /// Position in the list, from 0.
        at: usize,
        /// Length once decoded.
        bytes: usize,
    },
    /// More than [`MAX_KEYS`].
    #[error("{0} signing keys; at most {MAX_KEYS} are allowed")]
    TooMany(usize),
}

/// Signs what a webhook sends; without keys it signs nothing.
pub struct Signer(Vec<SecretSlice<u8>>);

impl Signer {
    /// Reads keys of the form `whsec_<base64>`.
    pub fn new(secrets: &[SecretString]) -> Result<Signer, KeyError> {
        if secrets.len() > MAX_KEYS {
            return Err(KeyError::TooMany(secrets.len()));
        }
        let keys = secrets.iter().enumerate().map(|(at, secret)| decode(at, secret.expose_secret()));
        keys.collect::<Result<_, _>>().map(Signer)
    }

    /// The header `webhook-signature`: one signature a key, separated by spaces; `None` without keys.
    /// `timestamp` is in seconds since the epoch.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let signatures: Vec<String> =
            self.0.iter().filter_map(|key| one(key.expose_secret(), id, timestamp, body)).collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

fn decode(at: usize, secret: &str) -> Result<SecretSlice<u8>, KeyError> {
    let encoded = secret.trim().strip_prefix("whsec_").ok_or(KeyError::NotBase64(at))?;
    let key = STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64(at))?;
    if KEY_BYTES.contains(&key.len()) { Ok(key.into()) } else { Err(KeyError::Length { at, bytes: key.len() }) }
}

fn one(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    // HMAC takes keys of any length; the type says otherwise.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(keys: &[&str]) -> Result<Signer, KeyError> {
        Signer::new(&keys.iter().map(|key| SecretString::from(*key)).collect::<Vec<_>>())
    }

    /// HMAC by its definition (RFC 2104), from the hash alone.
    fn by_definition(key: &[u8], message: &[u8]) -> Vec<u8> {
        use sha2::Digest;
        let pad = |byte: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect::<Vec<u8>>();
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
    }

    #[test]
    fn a_signature_is_the_hmac_of_id_timestamp_and_body() {
        let key = *b"0123456789abcdef0123456789abcdef";
        let secret = format!("whsec_{}", STANDARD.encode(key));
        let signature = signer(&[&secret]).expect("a key").sign("msg_1", 1_700_000_000, b"{\"a\":1}").expect("a key");
        let expected = by_definition(&key, b"msg_1.1700000000.{\"a\":1}");
        assert_eq!(signature, format!("v1,{}", STANDARD.encode(expected)));
    }

    #[test]
    fn two_keys_give_two_signatures_and_none_gives_none() {
        let keys = [STANDARD.encode([1; 24]), STANDARD.encode([2; 64])].map(|key| format!("whsec_{key}"));
        let both = signer(&[&keys[0], &keys[1]]).expect("keys").sign("id", 1, b"x").expect("keys");
        let first = signer(&[&keys[0]]).expect("a key").sign("id", 1, b"x").expect("a key");
        let second = signer(&[&keys[1]]).expect("a key").sign("id", 1, b"x").expect("a key");
        assert_eq!(both, format!("{first} {second}"));
        assert_ne!(first, second);
        assert_eq!(signer(&[]).expect("none").sign("id", 1, b"x"), None);
    }

    #[test]
    fn bad_keys_are_refused_without_being_shown() {
        let good = format!("whsec_{}", STANDARD.encode([1; 32]));
        assert_eq!(signer(&[&good, "hunter2"]).err(), Some(KeyError::NotBase64(1)));
        assert_eq!(signer(&["whsec_%%%"]).err(), Some(KeyError::NotBase64(0)));
        assert_eq!(signer(&["whsec_aGk="]).err(), Some(KeyError::Length { at: 0, bytes: 2 }));
        assert_eq!(signer(&[&good, &good, &good]).err(), Some(KeyError::TooMany(3)));
        assert_eq!(format!("{:?}", signer(&[&good]).expect("a key")), "Signer(1 keys)");
    }
}
