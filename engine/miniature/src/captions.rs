//! Captions as token batches.

use std::ops::Range;
use std::path::Path;

use rand::{Rng, RngExt};
use tch::Tensor;
use vernier_engine::Result;
use vernier_engine::prompt::Tokenizer;
use vernier_world::{Attribute, Caption, CaptionOptions, Named, Scene};

use crate::config::MAX_TOKENS;

/// Turns captions into ids.
#[derive(Debug)]
pub struct Captioner {
    tokenizer: Tokenizer,
}

/// A batch of captions.
#[derive(Debug)]
pub struct TokenBatch {
    /// `[batch, tokens]`, int64.
    pub ids: Tensor,
    /// Per caption and subject, the position of the noun's last token.
    pub nouns: Vec<Vec<i64>>,
    /// Per caption, the position of EOS.
    pub ends: Vec<i64>,
}

impl Captioner {
    /// Reads the tokenizer from `folder`.
    ///
    /// # Errors
    /// The folder holds no tokenizer.
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self {
            tokenizer: Tokenizer::open(folder)?,
        })
    }

    /// Encodes captions, padded with EOS to `length` tokens, or to the longest where `None`.
    ///
    /// A caption of more than `length` or [`MAX_TOKENS`] tokens loses its end, as in every CLIP.
    /// That happens to about one in 500 of the world's captions; a noun that was lost counts as
    /// standing at EOS.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn batch(&self, captions: &[Caption], length: Option<usize>) -> Result<TokenBatch> {
        let layout = self.tokenizer.layout();
        let mut rows = Vec::with_capacity(captions.len());
        let mut nouns = Vec::with_capacity(captions.len());
        for caption in captions {
            let encoding = self.tokenizer.encode(&caption.text)?;
            let last_token = |bytes: &Range<usize>| {
                let mut offsets = encoding.offsets.iter();
                offsets.rposition(|o| o.end <= bytes.end && o.end > bytes.start)
            };
            // BOS stands before all.
            let positions = caption.nouns.iter().filter_map(last_token);
            nouns.push(positions.map(|at| at as i64 + 1).collect::<Vec<_>>());
            let mut ids = vec![layout.bos];
            ids.extend(&encoding.ids);
            ids.push(layout.eos);
            rows.push(ids);
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(1);
        let length = length.unwrap_or(longest).clamp(2, MAX_TOKENS);
        let mut ends = Vec::with_capacity(captions.len());
        for (ids, nouns) in rows.iter_mut().zip(&mut nouns) {
            let end = ids.len().min(length) as i64 - 1;
            ids.resize(length, layout.eos);
            ids[length - 1] = layout.eos;
            for noun in nouns {
                *noun = (*noun).min(end);
            }
            ends.push(end);
        }
        let shape = [captions.len() as i64, length as i64];
        let ids = Tensor::f_from_slice(&rows.concat())?.f_view(shape)?;
        Ok(TokenBatch { ids, nouns, ends })
    }

    /// Number of token ids.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }
}

/// What `caption` says of an attribute of `subject`, or of the picture where that is `None`.
pub fn claim(caption: &Caption, subject: Option<usize>, attribute: Attribute) -> Option<&Named> {
    let mut claims = caption.named.iter();
    claims.find(|n| n.subject == subject && n.attribute == attribute)
}

/// A caption that says nothing.
pub fn no_caption() -> Caption {
    Caption {
        text: String::new(),
        nouns: Vec::new(),
        named: Vec::new(),
    }
}

/// A caption of random completeness: half of them say nearly all, the others anything down to the
/// bare kinds, as people's prompts do.
pub fn varied_caption(scene: &Scene, rng: &mut impl Rng) -> Caption {
    let completeness = if rng.random_bool(0.5) {
        1.0
    } else {
        rng.random_range(0.0..1.0)
    };
    let options = CaptionOptions {
        completeness,
        ..CaptionOptions::default()
    };
    vernier_world::caption(scene, rng, &options)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use vernier_world::{CaptionOptions, SampleOptions, Scene};

    use super::{Captioner, claim, no_caption, varied_caption};
    use crate::config::MAX_TOKENS;
    use crate::pool::held_out_scene;
    use crate::vocabulary::Vocabulary;

    fn captioner() -> (tempfile::TempDir, Vocabulary, Captioner) {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::of_the_world();
        vocabulary.save(folder.path()).unwrap();
        let captioner = Captioner::open(folder.path()).unwrap();
        (folder, vocabulary, captioner)
    }

    fn ids(batch: &super::TokenBatch, row: i64) -> Vec<i64> {
        Vec::try_from(batch.ids.get(row)).unwrap()
    }

    #[test]
    fn captions_of_random_scenes_come_back_from_their_tokens() {
        let (_folder, vocabulary, captioner) = captioner();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut cut = 0;
        for index in 0..500 {
            let scene = held_out_scene(index, &SampleOptions::default());
            let caption = varied_caption(&scene, &mut rng);
            let batch = captioner
                .batch(std::slice::from_ref(&caption), None)
                .unwrap();
            let (ids, end) = (ids(&batch, 0), batch.ends[0] as usize);
            assert!(ids.len() <= MAX_TOKENS && end == ids.len() - 1);
            let tokens = |range: Range<usize>| -> String {
                let token = |&id: &i64| vocabulary.tokens[id as usize].replace("</w>", "");
                ids[range].iter().map(token).collect()
            };
            let text = caption.text.replace(' ', "");
            if tokens(1..end) != text {
                // Only a full row may have lost something, and only its end.
                assert_eq!(ids.len(), MAX_TOKENS);
                assert!(text.starts_with(&tokens(1..end)), "{text}");
                cut += 1;
                continue;
            }
            for (subject, &noun) in batch.nouns[0].iter().enumerate() {
                let noun = noun as usize;
                let said = scene.subjects[subject].kind.noun();
                assert_eq!(tokens(noun..noun + 1), said, "{text}");
            }
        }
        assert!(cut < 5, "{cut}");
    }

    #[test]
    fn a_batch_is_padded_with_eos_and_cut_only_where_it_must_be() {
        let (_folder, vocabulary, captioner) = captioner();
        let eos = vocabulary.tokens.len() as i64 - 1;
        let scene = held_out_scene(1, &SampleOptions::default());
        let long = vernier_world::caption_of(&scene, &scene.applicable(), 0);
        let short = vernier_world::neutral_caption(&scene);
        let captions = [short, long, no_caption()];
        let batch = captioner.batch(&captions, Some(12)).unwrap();
        assert_eq!(batch.ids.size(), [3, 12]);
        for row in 0..3 {
            let (ids, end) = (ids(&batch, row), batch.ends[row as usize] as usize);
            assert_eq!(ids[0], eos - 1);
            assert!(ids[1..end].iter().all(|&id| id < eos - 1));
            assert!(ids[end..].iter().all(|&id| id == eos));
            assert!(batch.nouns[row as usize].iter().all(|&n| n <= end as i64));
        }
        assert_eq!(batch.ends[1..], [11, 1]);
    }

    #[test]
    fn a_claim_is_found_by_subject_and_attribute() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let scene = Scene::sample(&mut rng, &SampleOptions::default());
        let caption = vernier_world::caption(&scene, &mut rng, &CaptionOptions::default());
        assert!(!caption.named.is_empty());
        for named in &caption.named {
            let found = claim(&caption, named.subject, named.attribute).unwrap();
            assert_eq!(found, named);
            assert_eq!(claim(&no_caption(), named.subject, named.attribute), None);
        }
    }
}
