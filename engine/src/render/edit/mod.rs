//! Edits of a picture that do not leak: attribute-leakage-free editing (arXiv 2412.04715) on a
//! virtual inversion of the source.

mod attention;
mod inversion;
mod maps;
mod masks;
mod words;

use std::ops::Range;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use self::attention::{EditAttention, SOURCE, TARGET};
use self::maps::AttentionMaps;
use self::words::EditTexts;
use super::denoise::proceed;
use super::phases::text_context;
use super::pixels::is_finite;
use super::plan::{LatentSpace, Plan};
use super::shelf::Resolved;
use super::source::{cells_of, check_channels, composite, coverage_tensor, soft_mask};
use super::{OnStep, to_picture};
use crate::conditioning::{Conditioning, PictureSizes, TokenSpan};
use crate::controls::{Control, RegionWeights};
use crate::layers::AttentionHook;
use crate::measure::{Leakage, picture_tensor};
use crate::models::unet::{TextContext, UNet};
use crate::models::vae::Vae;
use crate::picture::{Mask, Picture, PictureShelf};
use crate::prompt::TextStage;
use crate::recipe::{Edit, EditPart, EditedPrompt, Recipe};
use crate::sampling::{ImageNoise, NoiseSchedule, SchedulerConfig};
use crate::{EngineError, Result};

/// At which parts of the training timesteps the source's attention is looked at to find things.
const LOOKED_AT: [f64; 3] = [0.3, 0.45, 0.6];

/// A model that edits.
pub(super) struct Editor<'a> {
    pub(super) text: &'a TextStage,
    pub(super) unet: &'a UNet,
    pub(super) vae: &'a Vae,
    pub(super) space: &'a LatentSpace,
    pub(super) scheduler: &'a SchedulerConfig,
    pub(super) pictures: &'a PictureShelf,
    pub(super) device: Device,
    /// Sizes, for models that are told them.
    pub(super) sizes: Option<PictureSizes>,
}

/// An edit that was made.
pub(super) struct Edited {
    pub(super) picture: Picture,
    pub(super) latents: Tensor,
    pub(super) report: EditReport,
}

/// What an edit did, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct EditReport {
    /// The prompt that it led to.
    pub prompt: String,
    /// What changed outside of the masks.
    pub leakage: Leakage,
    /// Where each change was made, with its place among the edit's changes.
    pub masks: Vec<(usize, Mask)>,
    /// The picture as the model drew it, before the source was put back outside of the masks.
    pub drawn: Picture,
}

impl Editor<'_> {
    /// Makes `edit` on the source of `recipe`, whose `controls` act on the things that change.
    ///
    /// # Errors
    /// A mask is missing or black, a control cannot act on an edit, the numbers stop being finite,
    /// or `on_step` cancelled.
    pub(super) fn run(
        &self,
        recipe: &Recipe,
        edit: &Edit,
        controls: &[Resolved],
        on_step: &mut OnStep<'_>,
    ) -> Result<Edited> {
        if self.space.inpaints {
            return Err(EngineError::request(
                "edit",
                "this model is one for inpainting; take the model that it was made from",
            ));
        }
        let edited = edit.edited_prompt(&recipe.prompt)?;
        let source = self.source(recipe)?;
        let plan = Plan::compile(recipe, self.space, self.scheduler)?;
        let [_, channels, height, width] = plan.latent_shape;
        check_channels(self.vae.config().latent_channels, channels)?;
        let seen = picture_tensor(&[&source])?.f_to_device(self.device)?;
        let clean = self.vae.encode(&seen)?;
        let clean = self.vae.scale(&clean.mean().f_to_kind(Kind::Float)?)?;

        let mut timesteps = plan.sampler.schedule().timesteps.clone();
        // Samplers that look twice at a timestep walk it once here.
        timesteps.dedup();
        let noise_schedule = NoiseSchedule::new(&plan.scheduler)?;
        let steps = inversion::steps(&timesteps, &noise_schedule);
        let noise = ImageNoise::draw_steps(recipe.seed, [channels, height, width], steps.len())?;

        let masks = self.masks(recipe, edit, &edited, &source, &clean, &noise[0])?;
        let texts = self.texts(edit, &edited, controls)?;
        let guided = plan.guidance.is_some();
        let negative = guided.then_some(recipe.negative_prompt.as_str());
        let context = self.context(&recipe.prompt, &texts, negative)?;
        let values = texts
            .things
            .iter()
            .map(|thing| text_context(self.unet, thing));
        let values: Vec<TextContext> = values.collect::<Result<_>>()?;
        let coverage = masks.iter().map(|(_, mask)| {
            let coverage = coverage_tensor(mask)?;
            Ok(coverage.f_to_device(self.device)?)
        });
        let coverage: Vec<Tensor> = coverage.collect::<Result<_>>()?;
        let weights = Rc::new(RegionWeights::new(&coverage, height, width)?);
        let whole = union(&masks);
        let free = cells_of(&whole, self.vae.config().downscale(), 1)?.f_to_device(self.device)?;
        let held = |target: Tensor, source: &Tensor| -> Result<Tensor> {
            if !edit.has(EditPart::Background) {
                return Ok(target);
            }
            Ok(source.f_lerp_tensor(&target, &free)?)
        };

        let kept = (edit.structure * steps.len() as f64).round() as usize;
        let first = noise[0].f_to_device(self.device)?;
        let mut of_source = steps.first().map_or_else(
            || Ok(first.shallow_clone()),
            |s| s.noised_before(&clean, &first),
        )?;
        if recipe.source.as_ref().is_some_and(|s| s.strength >= 1.0) {
            // The method starts from noise alone; what little of the source the schedule leaves
            // would be another picture's to the model.
            of_source = first;
        }
        let mut of_target = of_source.shallow_clone();
        for (i, step) in steps.iter().enumerate() {
            proceed(on_step, i, steps.len())?;
            let mut hook = EditAttention {
                keeps_structure: edit.has(EditPart::Structure) && i < kept,
                regions: edit.has(EditPart::Regions).then_some((&weights, &values)),
            };
            let mut batch = vec![&of_source, &of_target];
            if guided {
                batch.push(&of_target);
            }
            let input = Tensor::f_cat(&batch, 0)?;
            let output = self.call(&input, step.timestep, &context, Some(&mut hook))?;
            let row = |at: i64| output.f_narrow(0, at, 1);
            let mut target = row(TARGET)?;
            if let Some(guidance) = &plan.guidance {
                target = guidance.combine(&row(TARGET + 1)?, &target)?;
            }
            let target_clean = step.target(
                plan.scheduler.prediction_type,
                &clean,
                (&of_source, &row(SOURCE)?),
                (&of_target, &target),
            )?;
            if !is_finite(&target_clean)? {
                return Err(EngineError::NotFinite {
                    place: format!("step {} of {}", i + 1, steps.len()),
                    problem: "the latents are no longer finite numbers; lower the guidance scale"
                        .to_owned(),
                });
            }
            let unit = noise[i + 1].f_to_device(self.device)?;
            of_source = step.noised_after(&clean, &unit)?;
            of_target = held(step.noised_after(&target_clean, &unit)?, &of_source)?;
        }
        proceed(on_step, steps.len(), steps.len())?;
        let image = self.vae.decode(&self.vae.unscale(&of_target)?)?;
        let drawn = to_picture(&image)?;
        let picture = composite(&source, &drawn, &whole);
        Ok(Edited {
            report: EditReport {
                prompt: edited.text,
                leakage: Leakage::of(&source, &drawn, &picture, &whole)?,
                masks,
                drawn,
            },
            picture,
            latents: of_target,
        })
    }

    /// The source at the recipe's size.
    fn source(&self, recipe: &Recipe) -> Result<Picture> {
        let source = recipe.source.as_ref().ok_or_else(|| {
            EngineError::request("edit", "there is no picture to change; give a source")
        })?;
        let picture = self.pictures.get(&source.picture)?;
        Ok(picture.covering(recipe.width_px, recipe.height_px))
    }

    /// Where each change is made: by its mask, or where the model finds its words.
    fn masks(
        &self,
        recipe: &Recipe,
        edit: &Edit,
        edited: &EditedPrompt,
        source: &Picture,
        clean: &Tensor,
        noise: &Tensor,
    ) -> Result<Vec<(usize, Mask)>> {
        let lost: Vec<&Range<usize>> = edited
            .places
            .iter()
            .filter(|place| edit.changes[place.change].mask.is_none())
            .map(|place| &place.from)
            .collect();
        let mut found = if lost.is_empty() {
            Vec::new()
        } else {
            let maps = self.maps(&recipe.prompt, &lost, clean, noise)?;
            masks::masks_of(&maps, source)?
        }
        .into_iter();
        let mut all = Vec::with_capacity(edited.places.len());
        for place in &edited.places {
            let change = &edit.changes[place.change];
            let mask = match &change.mask {
                Some(mask) => soft_mask(mask, recipe, self.pictures)?,
                None => found.next().unwrap_or_else(|| Mask::new(0, 0)),
            };
            if mask.is_empty() {
                let problem = match &change.mask {
                    Some(_) => {
                        "its mask is black, so nothing could change; paint it white where \
                                the thing is"
                    }
                    None => "the model does not find it in the picture; give a mask",
                };
                let field = format!("edit \"{}\"", change.from);
                return Err(EngineError::request(field, problem));
            }
            all.push((place.change, mask));
        }
        Ok(all)
    }

    /// How much each place of the source belongs to the last word of each of `places` in `prompt`.
    fn maps(
        &self,
        prompt: &str,
        places: &[&Range<usize>],
        clean: &Tensor,
        noise: &Tensor,
    ) -> Result<Vec<Tensor>> {
        let conditioning = self.encode(prompt)?;
        let context = text_context(self.unet, &conditioning)?;
        let noise_schedule = NoiseSchedule::new(self.scheduler)?;
        let noise = noise.f_to_device(self.device)?;
        let mut maps = AttentionMaps::default();
        for part in LOOKED_AT {
            let timestep = (part * self.scheduler.num_train_timesteps as f64).round();
            let levels = inversion::steps(&[timestep], &noise_schedule);
            let input = levels[0].noised_before(clean, &noise)?;
            // Only its attention counts.
            let _ = self.call(&input, timestep, &context, Some(&mut maps))?;
        }
        let (_, _, height, width) = clean.size4()?;
        let of_place = |bytes: &&Range<usize>| {
            // The noun ends a phrase; the words before it look at their own noun, and elsewhere.
            let within =
                |word: &&TokenSpan| bytes.start <= word.bytes.start && word.bytes.end <= bytes.end;
            let noun = conditioning.words.iter().rfind(within).ok_or_else(|| {
                EngineError::request("edit", "the model has no token for its words")
            })?;
            let map = maps.of_words(&noun.tokens, height, width)?;
            Ok(map.f_to_device(Device::Cpu)?)
        };
        places.iter().map(of_place).collect()
    }

    /// What the target reads, with the controls at work.
    fn texts(
        &self,
        edit: &Edit,
        edited: &EditedPrompt,
        controls: &[Resolved],
    ) -> Result<EditTexts> {
        let mut texts = EditTexts::encode(self.text, edit, edited)?;
        texts.base.sizes = self.sizes;
        for control in controls {
            let Some(raw) = control.raw else {
                continue;
            };
            let Control::Direction(direction) = &control.loaded.control else {
                return Err(EngineError::request(
                    control.wanted.to_string(),
                    "only directions work in an edit; take it away, or use a direction",
                ));
            };
            let span = super::phases::subject_span(control, &texts.base)?;
            let own = texts
                .spans
                .iter()
                .position(|words| words.start <= span.tokens.start && span.tokens.end <= words.end);
            let Some(own) = own else {
                return Err(EngineError::request(
                    control.wanted.to_string(),
                    format!(
                        "\"{}\" does not change in this edit, so nothing may move it; add the \
                         change \"{} -> {}\"",
                        span.text, span.text, span.text
                    ),
                ));
            };
            direction.apply(&mut texts.base, &span, raw)?;
            direction.apply(&mut texts.things[own], &span, raw)?;
        }
        Ok(texts)
    }

    /// Keys and values of the batch: the source's prompt, the target's, and the negative one.
    fn context(
        &self,
        prompt: &str,
        texts: &EditTexts,
        negative: Option<&str>,
    ) -> Result<TextContext> {
        let one_chunk = |context: Option<TextContext>| {
            context.ok_or_else(|| {
                EngineError::request(
                    "prompt",
                    "prompt and negative prompt must each fit into one chunk of tokens for an edit",
                )
            })
        };
        let source = text_context(self.unet, &self.encode(prompt)?)?;
        let mut all = one_chunk(source.beside(&text_context(self.unet, &texts.base)?)?)?;
        if let Some(negative) = negative {
            let negative = text_context(self.unet, &self.encode(negative)?)?;
            all = one_chunk(all.beside(&negative)?)?;
        }
        Ok(all)
    }

    /// A text with everything that the model takes.
    fn encode(&self, text: &str) -> Result<Conditioning> {
        let mut conditioning = self.text.encode(text, 1)?;
        conditioning.sizes = self.sizes;
        Ok(conditioning)
    }

    /// The U-Net's outputs in fp32.
    fn call(
        &self,
        input: &Tensor,
        timestep: f64,
        context: &TextContext,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let options = (Kind::Float, self.device);
        let timesteps = Tensor::f_full([input.size()[0]], timestep, options)?;
        let output = self
            .unet
            .forward(input, &timesteps, context, context.added(), hook)?;
        Ok(output.f_to_kind(Kind::Float)?)
    }
}

/// Everything that any of `masks`, of which there is one, covers.
fn union(masks: &[(usize, Mask)]) -> Mask {
    let mut all = masks.iter().map(|(_, mask)| mask);
    let first = all.next().cloned().unwrap_or_else(|| Mask::new(0, 0));
    all.fold(first, |sum, mask| sum.joined(mask))
}
