//! Which recipes ask for the same picture.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{ControlUse, PicturePromptUse, PictureRef, Recipe};

/// The beginning of a hash in hex, long enough for people to tell hashes apart.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..10).unwrap_or(hash)
}

impl Recipe {
    /// SHA-256, in hex, of the recipe's JSON, the resolved schedule aside, which follows from the
    /// rest.
    pub fn fingerprint(&self) -> String {
        let mut recipe = self.clone();
        recipe.walk.resolved_schedule = None;
        sha256_hex(
            serde_json::to_string(&recipe)
                .unwrap_or_default()
                .as_bytes(),
        )
    }

    /// Whether a picture made from `made` is the one that this recipe asks for.
    ///
    /// Places of files and the resolved schedule do not count, nor whether a LoRA is listed or named
    /// by a tag of the prompt, and what else the render fills in
    /// (hashes, raw settings of controls) counts only where this recipe names it.
    pub fn asks_for(&self, made: &Self) -> bool {
        let Ok(mut asked) = self.with_tags_as_adapters() else {
            return false;
        };
        let mut made = made.clone();
        settle(&asked.model.hash, &mut made.model.hash);
        asked.walk.resolved_schedule = None;
        made.walk.resolved_schedule = None;
        asked.model.path = None;
        made.model.path = None;
        if asked.controls.len() == made.controls.len() {
            for (asked, made) in asked.controls.iter_mut().zip(&mut made.controls) {
                settle_control(asked, made);
            }
        }
        if asked.adapters.len() == made.adapters.len() {
            for (asked, made) in asked.adapters.iter_mut().zip(&mut made.adapters) {
                settle(&asked.hash, &mut made.hash);
                asked.path = None;
                made.path = None;
            }
        }
        if asked.picture_prompts.len() == made.picture_prompts.len() {
            let pairs = asked.picture_prompts.iter_mut();
            for (asked, made) in pairs.zip(&mut made.picture_prompts) {
                settle(&asked.hash, &mut made.hash);
                asked.path = None;
                made.path = None;
            }
        }
        if asked.controlnets.len() == made.controlnets.len() {
            for (asked, made) in asked.controlnets.iter_mut().zip(&mut made.controlnets) {
                settle(&asked.hash, &mut made.hash);
                asked.path = None;
                made.path = None;
            }
        }
        let upscaler = |recipe: &mut Self| recipe.highres.as_mut()?.upscaler.take();
        match (upscaler(&mut asked), upscaler(&mut made)) {
            (None, None) => {}
            (Some(asked), Some(mut made)) => {
                settle(&asked.hash, &mut made.hash);
                if (asked.name, asked.hash) != (made.name, made.hash) {
                    return false;
                }
            }
            _ => return false,
        }
        // The render adds those that it found by the prompt's words.
        let named = |name: &str| asked.embeddings.iter().find(|own| own.name == name);
        made.embeddings.retain(|own| named(&own.name).is_some());
        for made in &mut made.embeddings {
            settle(
                named(&made.name).map_or("", |own| &own.hash),
                &mut made.hash,
            );
            made.path = None;
        }
        for asked in &mut asked.embeddings {
            asked.path = None;
        }
        let (asked_pictures, made_pictures) = (asked.pictures_mut(), made.pictures_mut());
        if asked_pictures.len() == made_pictures.len() {
            for (asked, made) in asked_pictures.into_iter().zip(made_pictures) {
                settle_picture(asked, made);
            }
        }
        asked == made
    }

    /// Every picture that it names: its source, the source's mask, those of regions, changes and
    /// ControlNets, and its picture prompts with their masks.
    pub fn pictures(&self) -> Vec<&PictureRef> {
        let source = self.source.iter().flat_map(|source| {
            let mask = source.mask.iter().map(|mask| &mask.picture);
            std::iter::once(&source.picture).chain(mask)
        });
        let regions = self.regions.iter().map(|region| &region.mask.picture);
        let changes = self.edit.iter().flat_map(|edit| &edit.changes);
        let changes = changes.filter_map(|change| change.mask.as_ref());
        source
            .chain(regions)
            .chain(changes.map(|mask| &mask.picture))
            .chain(
                self.picture_prompts
                    .iter()
                    .flat_map(PicturePromptUse::all_pictures),
            )
            .chain(self.controlnets.iter().map(|used| &used.picture))
            .collect()
    }

    /// [`Self::pictures`], to be filled in.
    pub fn pictures_mut(&mut self) -> Vec<&mut PictureRef> {
        let source = self.source.iter_mut().flat_map(|source| {
            let mask = source.mask.iter_mut().map(|mask| &mut mask.picture);
            std::iter::once(&mut source.picture).chain(mask)
        });
        let regions = self.regions.iter_mut();
        let prompts = self.picture_prompts.iter_mut();
        let changes = self.edit.iter_mut().flat_map(|edit| &mut edit.changes);
        let changes = changes.filter_map(|change| change.mask.as_mut());
        source
            .chain(regions.map(|region| &mut region.mask.picture))
            .chain(changes.map(|mask| &mut mask.picture))
            .chain(prompts.flat_map(PicturePromptUse::all_pictures_mut))
            .chain(self.controlnets.iter_mut().map(|used| &mut used.picture))
            .collect()
    }
}

/// A picture is known by what it shows; one that was not read yet only by where it lies.
fn settle_picture(asked: &mut PictureRef, made: &mut PictureRef) {
    if asked.hash.is_empty() {
        made.hash.clear();
    } else {
        asked.path = None;
        made.path = None;
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

/// Whether `text` is a hash as [`sha256_hex`] writes it.
pub fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// SHA-256 of `bytes`, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex_of(&Sha256::digest(bytes))
}

/// `bytes` in hex.
pub fn hex_of(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::sample;
    use super::super::{AdapterUse, ControlNetUse, EmbeddingUse, Source};
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
        asked.source = Some(Source::new(PictureRef::at(Path::new("cat.png")), 0.5));
        made.source.clone_from(&asked.source);
        made.pictures_mut()[0].hash = "012".to_owned();
        assert!(asked.asks_for(&made));
        asked.pictures_mut()[0].hash = "012".to_owned();
        made.pictures_mut()[0].path = None;
        assert!(asked.asks_for(&made));
        asked.pictures_mut()[0].hash = "013".to_owned();
        assert!(!asked.asks_for(&made));
        asked.source.clone_from(&made.source);
        asked.model.hash = "abd".to_owned();
        assert!(!asked.asks_for(&made));
    }

    #[test]
    fn adapters_and_embeddings_are_known_by_their_hashes() {
        let mut asked = sample();
        asked.adapters = vec![AdapterUse::new("detail", 0.5)];
        let mut made = asked.clone();
        made.adapters[0].hash = "abc".to_owned();
        made.embeddings = vec![EmbeddingUse::new("found")];
        assert!(asked.asks_for(&made) && !made.asks_for(&asked));
        asked.adapters[0].hash = "abd".to_owned();
        assert!(!asked.asks_for(&made));
        asked.adapters[0].hash = "abc".to_owned();
        made.adapters[0].text_weight = 0.0;
        assert!(!asked.asks_for(&made));
        let mut asked = made.clone();
        asked.embeddings[0].hash = "1".to_owned();
        assert!(!asked.asks_for(&made));
        made.embeddings[0].hash = "1".to_owned();
        assert!(asked.asks_for(&made));
    }

    #[test]
    fn controlnets_are_known_by_their_hashes_and_pictures() {
        let mut asked = sample();
        let picture = PictureRef::at(Path::new("edges.png"));
        asked.controlnets = vec![ControlNetUse::new("canny", picture)];
        let mut made = asked.clone();
        made.controlnets[0].hash = "abc".to_owned();
        made.controlnets[0].path = Some("/elsewhere".to_owned());
        made.pictures_mut()[0].hash = "012".to_owned();
        assert!(asked.asks_for(&made));
        for change in [
            (|used| used.weight = 0.5) as fn(&mut ControlNetUse),
            |used| used.end = 0.5,
            |used| used.hash = "abd".to_owned(),
            |used| used.picture.hash = "013".to_owned(),
        ] {
            let mut other = asked.clone();
            change(&mut other.controlnets[0]);
            assert!(!other.asks_for(&made));
        }
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
