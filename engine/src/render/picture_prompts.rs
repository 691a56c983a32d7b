//! A recipe's picture prompts, with their tokens as keys and values for the loaded model.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tch::Tensor;

use super::adapters::{Read, other_version};
use super::phases::Contexts;
use super::source::{Frame, coverage_tensor, soft_mask};
use crate::Result;
use crate::layers::{DecoupledBranch, PlaceWeights};
use crate::models::unet::{TextContext, UNet};
use crate::picture::PictureShelf;
use crate::picture_prompts::{
    EncoderNeed, PicturePrompt, PicturePromptLibrary, VisionTower, layer_weights,
};
use crate::recipe::{PicturePromptUse, PictureRef, Recipe};

/// Embeddings of pictures that are kept at most: each is a few hundred kilobytes.
const MOST_SEEN: usize = 64;

/// Sets of pictures whose keys and values are kept at most.
const MOST_MADE: usize = 8;

/// One picture prompt at work.
#[derive(Debug)]
pub(super) struct PictureBranch {
    /// Fractions of the steps.
    pub(super) start: f64,
    pub(super) end: f64,
    /// Everything of it that a picture depends on.
    pub(super) key: String,
    positive: DecoupledBranch,
    negative: DecoupledBranch,
}

impl PictureBranch {
    /// `context` of the prompt, with the pictures beside it.
    pub(super) fn beside_prompt(&self, context: TextContext) -> TextContext {
        context.with_branch(self.positive.shallow_clone())
    }

    /// `context` of the negative prompt, with what it sees in the pictures' place.
    pub(super) fn beside_negative(&self, context: TextContext) -> TextContext {
        context.with_branch(self.negative.shallow_clone())
    }

    /// Both.
    pub(super) fn beside_both(&self, contexts: Contexts) -> Contexts {
        let negative = contexts.negative;
        Contexts {
            positive: self.beside_prompt(contexts.positive),
            negative: negative.map(|negative| self.beside_negative(negative)),
            nets: contexts.nets,
        }
    }
}

/// Where pictures are seen: the model, the pictures and what part of them is rendered.
#[derive(Clone, Copy)]
pub(super) struct PromptScene<'a> {
    pub(super) unet: &'a UNet,
    pub(super) pictures: &'a PictureShelf,
    pub(super) frame: Frame,
    /// `[1, channels, h, w]`.
    pub(super) latent_shape: [i64; 4],
}

/// Keys and values of pictures for both halves of guidance.
#[derive(Debug)]
struct Made {
    adapter: String,
    pictures: Vec<String>,
    positive: DecoupledBranch,
    negative: DecoupledBranch,
}

/// What one image tower saw in one picture.
#[derive(Debug)]
struct Seen {
    encoder: PathBuf,
    /// Its hash; empty for what the negative half sees.
    picture: String,
    need: EncoderNeed,
    embedding: Tensor,
}

/// A tower that stays until all pictures of a recipe are seen.
struct Open {
    path: PathBuf,
    tower: VisionTower,
}

/// The picture prompts of one loaded model. Image towers are large, so they are let go once the
/// pictures are seen; what they saw is kept, so that another weight looks at nothing again.
#[derive(Debug, Default)]
pub(super) struct PicturePromptShelf {
    library: PicturePromptLibrary,
    adapters: Read<PicturePrompt>,
    seen: Vec<Seen>,
    made: Vec<Made>,
}

impl PicturePromptShelf {
    pub(super) fn set_library(&mut self, library: PicturePromptLibrary) {
        self.library = library;
    }

    /// Finds, reads and sees what `recipe` asks for; fills in hashes. `notes` hears of what the
    /// artist should know.
    ///
    /// # Errors
    /// A file or an image tower is missing or does not fit, or memory runs out.
    pub(super) fn resolve(
        &mut self,
        recipe: &mut Recipe,
        scene: PromptScene<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<PictureBranch>> {
        let mut wanted = std::mem::take(&mut recipe.picture_prompts);
        let mut tower = None;
        let mut branches = Vec::new();
        for own in wanted.iter_mut().filter(|own| !own.is_idle()) {
            let branch = self.branch(own, recipe, scene, &mut tower, notes)?;
            branches.extend(branch);
        }
        self.adapters.forget_oldest(wanted.len());
        recipe.picture_prompts = wanted;
        Ok(branches)
    }

    /// `None` where the mask is black.
    fn branch(
        &mut self,
        own: &mut PicturePromptUse,
        recipe: &Recipe,
        scene: PromptScene<'_>,
        tower: &mut Option<Open>,
        notes: &mut Vec<String>,
    ) -> Result<Option<PictureBranch>> {
        let path = self.library.find(own)?;
        let read = || PicturePrompt::read(&path, scene.unet);
        let adapter = self.adapters.get(&path, read)?;
        if !own.hash.is_empty() && own.hash != adapter.hash {
            notes.push(other_version("picture prompt", &own.name, &path));
        }
        own.hash.clone_from(&adapter.hash);
        let unused = adapter.notes.iter();
        notes.extend(unused.map(|note| format!("picture prompt {}: {note}", own.name)));
        let places = match &own.mask {
            None => None,
            Some(mask) => {
                let mask = scene.frame.mask(&soft_mask(mask, recipe, scene.pictures)?);
                if mask.is_empty() {
                    notes.push(format!(
                        "picture prompt {}: its mask is black, so it does nothing",
                        own.name
                    ));
                    return Ok(None);
                }
                let device = scene.unet.options().1;
                let weight = coverage_tensor(&mask)?.f_to_device(device)?;
                let [_, _, height, width] = scene.latent_shape;
                Some(PlaceWeights::new(&weight, height, width)?)
            }
        };
        let weights = layer_weights(scene.unet, own.takes, &own.blocks)?;
        let made = self.made(&path, &adapter, &own.pictures, scene, tower)?;
        let ready = |branch: &DecoupledBranch| DecoupledBranch {
            weight: own.weight,
            layer_weights: weights.clone(),
            ..branch.shallow_clone()
        };
        let mut positive = ready(&made.positive);
        let mut negative = ready(&made.negative);
        if let Some(places) = places {
            negative.places = Some(places.shallow_clone());
            positive.places = Some(places);
        }
        Ok(Some(PictureBranch {
            start: own.start,
            end: own.end,
            key: key_of(own),
            positive,
            negative,
        }))
    }

    /// Keys and values of `pictures` through `adapter`.
    fn made(
        &mut self,
        path: &Path,
        adapter: &Rc<PicturePrompt>,
        pictures: &[PictureRef],
        scene: PromptScene<'_>,
        tower: &mut Option<Open>,
    ) -> Result<&Made> {
        let hashes: Vec<String> = pictures.iter().map(|p| p.hash.clone()).collect();
        let known = self
            .made
            .iter()
            .position(|made| made.adapter == adapter.hash && made.pictures == hashes);
        let made = if let Some(at) = known {
            self.made.remove(at)
        } else {
            let need = adapter.kind.need();
            let encoder = self.library.encoder(path, need)?;
            let mut see = |picture: Option<&PictureRef>| -> Result<Tensor> {
                let hash = picture.map_or("", |picture| picture.hash.as_str());
                let same = |seen: &&Seen| {
                    (&seen.encoder, seen.picture.as_str(), seen.need) == (&encoder.path, hash, need)
                };
                if let Some(known) = self.seen.iter().find(same) {
                    return Ok(known.embedding.shallow_clone());
                }
                let pixels = picture.map(|picture| scene.pictures.get(picture));
                let pixels = pixels.transpose()?;
                let same = |open: &Open| open.path == encoder.path;
                let open = if let Some(open) = tower.take().filter(same) {
                    open
                } else {
                    let (kind, device) = scene.unet.options();
                    Open {
                        path: encoder.path.clone(),
                        tower: encoder.load(kind, device)?,
                    }
                };
                let open = tower.insert(open);
                let embedding = open.tower.see(pixels.as_deref(), need)?;
                if self.seen.len() >= MOST_SEEN {
                    self.seen.remove(0);
                }
                self.seen.push(Seen {
                    encoder: encoder.path.clone(),
                    picture: hash.to_owned(),
                    need,
                    embedding: embedding.shallow_clone(),
                });
                Ok(embedding)
            };
            let embeddings = pictures.iter().map(|picture| see(Some(picture)));
            let embeddings = embeddings.collect::<Result<Vec<_>>>()?;
            let positive = Tensor::f_cat(&embeddings, 0)?;
            // As Python diffusers: zeros for an embedding, and patches of an empty picture.
            let negative = match need {
                EncoderNeed::Projected(_) => positive.f_zeros_like()?,
                EncoderNeed::Hidden(_) => {
                    let nothing = see(None)?;
                    nothing.f_expand([pictures.len() as i64, -1, -1], false)?
                }
            };
            Made {
                adapter: adapter.hash.clone(),
                pictures: hashes,
                positive: adapter.branch(&adapter.tokens(&positive)?)?,
                negative: adapter.branch(&adapter.tokens(&negative)?)?,
            }
        };
        if self.made.len() >= MOST_MADE {
            self.made.remove(0);
        }
        self.made.push(made);
        Ok(&self.made[self.made.len() - 1])
    }
}

fn key_of(own: &PicturePromptUse) -> String {
    let mut key = format!(
        "{}|{:?}|{:?}|{:?}",
        own.hash, own.weight, own.takes, own.blocks
    );
    // Writing to a string cannot fail.
    for picture in &own.pictures {
        let _ = write!(key, "|{}", picture.hash);
    }
    if let Some(mask) = &own.mask {
        let _ = write!(
            key,
            "|{}|{:?}|{}",
            mask.picture.hash, mask.feather_px, mask.inverted
        );
    }
    key.push(';');
    key
}
