//! Which recipes ask for the same picture.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{ControlUse, Recipe};

impl Recipe {
    /// SHA-256, in hex, of the recipe's JSON.
    pub fn fingerprint(&self) -> String {
        sha256_hex(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// Whether a picture made from `made` is the one that this recipe asks for.
    ///
    /// Places of files do not count, and what the render fills in (hashes, raw settings of
    /// controls) counts only where this recipe names it.
    pub fn asks_for(&self, made: &Self) -> bool {
        let (mut asked, mut made) = (self.clone(), made.clone());
        settle(&asked.model.hash, &mut made.model.hash);
        asked.model.path = None;
        made.model.path = None;
        if asked.controls.len() == made.controls.len() {
            for (asked, made) in asked.controls.iter_mut().zip(&mut made.controls) {
                settle_control(asked, made);
            }
        }
        asked == made
    }
}

fn settle_control(asked: &mut ControlUse, made: &mut ControlUse) {
    settle(&asked.hash, &mut made.hash);
    asked.path = None;
    made.path = None;
    if asked.resolved.is_none() {
        made.resolved = None;
    }
}

fn settle(asked_hash: &str, made_hash: &mut String) {
    if asked_hash.is_empty() {
        made_hash.clear();
    }
}

/// SHA-256 of `bytes`, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn what_the_render_fills_in_does_not_tell_pictures_apart() {
        let mut asked = sample();
        asked.controls = vec![ControlUse::new("smile", Some("cat"), 0.5)];
        let mut made = asked.clone();
        made.model.hash = "abc".to_owned();
        made.model.path = Some("/elsewhere".to_owned());
        made.controls[0].resolved = Some(1.5);
        made.controls[0].hash = "def".to_owned();
        assert!(asked.asks_for(&made) && !made.asks_for(&asked));
        asked.model.hash = "abd".to_owned();
        assert!(!asked.asks_for(&made));
    }

    #[test]
    fn every_other_field_does() {
        let asked = sample();
        let mut made = asked.clone();
        made.seed += 1;
        assert!(!asked.asks_for(&made) && asked.fingerprint() != made.fingerprint());
        let mut made = asked.clone();
        made.controls.push(ControlUse::new("smile", None, 0.5));
        assert!(!asked.asks_for(&made));
        assert_eq!(asked.fingerprint(), sample().fingerprint());
    }

    #[test]
    fn sums_are_the_known_ones() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
    }
}
