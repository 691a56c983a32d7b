//! What every way of editing needs before it walks.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::inversion::{self, InversionStep};
use super::maps::AttentionMaps;
use super::words::{Apart, EditTexts};
use super::{Editor, masks};
use crate::conditioning::{Conditioning, TokenSpan};
use crate::controls::{Control, RegionWeights};
use crate::measure::picture_tensor;
use crate::models::unet::TextContext;
use crate::picture::{Mask, Picture};
use crate::recipe::{Edit, EditMethod, EditPart, EditedPrompt, Recipe};
use crate::render::phases::{subject_span, text_context};
use crate::render::plan::Plan;
use crate::render::shelf::Resolved;
use crate::render::source::{check_channels, coverage_tensor, soft_mask};
use crate::sampling::{Guidance, ImageNoise, NoiseSchedule, PredictionType};
use crate::{EngineError, Result};

/// At which parts of the training timesteps the source's attention is looked at to find things.
const LOOKED_AT: [f64; 3] = [0.3, 0.45, 0.6];

/// A place of the cross-attention reads the words of things alone from 1/REACH of it on.
const REACH: f64 = 4.0;

/// Everything about one edit but the walk.
pub(super) struct Prepared {
    /// The source at the recipe's size.
    pub(super) source: Arc<Picture>,
    /// Its latents, scaled, `[1, channels, h, w]` in fp32.
    pub(super) clean: Tensor,
    pub(super) steps: Vec<InversionStep>,
    pub(super) prediction: PredictionType,
    pub(super) guidance: Option<Guidance>,
    pub(super) noise: Vec<Tensor>,
    /// Where each change is made.
    pub(super) masks: Vec<(usize, Mask)>,
    /// All of them together.
    pub(super) whole: Mask,
    /// How much each latent cell may change, 0..=1, `[1, 1, h, w]`.
    pub(super) free: Tensor,
    /// Where each thing's own values hold.
    pub(super) weights: RegionWeights,
    pub(super) source_texts: EditTexts,
    pub(super) target_texts: EditTexts,
    /// Keys and values of the source's words.
    pub(super) of_source: TextContext,
    /// Keys and values of the target's words, and where there is guidance of what it is led away
    /// from.
    pub(super) of_target: TextContext,
    /// Whether the walk begins at noise alone.
    pub(super) from_noise: bool,
}

impl Prepared {
    /// `target` where it may change, and `source` elsewhere.
    pub(super) fn held(&self, edit: &Edit, target: Tensor, source: &Tensor) -> Result<Tensor> {
        if !edit.has(EditPart::Background) {
            return Ok(target);
        }
        Ok(source.f_lerp_tensor(&target, &self.free)?)
    }
}

impl Editor<'_> {
    /// Reads the source, finds the masks and encodes all words.
    ///
    /// # Errors
    /// A mask is missing or black, a control cannot act on an edit, or words cannot be encoded.
    pub(super) fn prepare(
        &self,
        recipe: &Recipe,
        edit: &Edit,
        edited: &EditedPrompt,
        controls: &[Resolved],
    ) -> Result<Prepared> {
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
        let steps = inversion::steps(&timesteps, &NoiseSchedule::new(&plan.scheduler)?);
        let noise = ImageNoise::draw_steps(recipe.seed, [channels, height, width], steps.len())?;
        let noise = noise.iter().map(|noise| noise.f_to_device(self.device));
        let noise: Vec<Tensor> = noise.collect::<Result<_, _>>()?;

        let masks = self.masks(recipe, edit, edited, &source, &clean, &noise[0])?;
        let whole = union(&masks);
        let pixels_per_cell = self.vae.config().downscale();
        let free = free_cells(&whole, pixels_per_cell)?.f_to_device(self.device)?;
        let coverage = masks.iter().map(|(_, mask)| {
            let coverage = coverage_tensor(mask)?;
            Ok(coverage.f_to_device(self.device)?)
        });
        let coverage: Vec<Tensor> = coverage.collect::<Result<_>>()?;

        let apart = match edit.method {
            EditMethod::Ale if edit.has(EditPart::Words) => Apart::InTheirPrompt,
            EditMethod::AlePublished if edit.has(EditPart::Words) => Apart::Alone,
            _ => Apart::Not,
        };
        let mut source_texts = EditTexts::of_source(self.text, edited, &recipe.prompt)?;
        let mut target_texts = EditTexts::of_target(
            self.text,
            (edit, &recipe.prompt),
            edited,
            &source_texts,
            apart,
        )?;
        if apart == Apart::Not && edit.method == EditMethod::Ale {
            // Where a thing is, all new words are read; elsewhere the old ones still are.
            let things = edited.places.iter();
            target_texts.things = things.map(|_| target_texts.base.shallow_clone()).collect();
        }
        source_texts.set_sizes(self.sizes);
        target_texts.set_sizes(self.sizes);
        move_by_controls(&mut target_texts, apart, controls)?;
        let guided = plan.guidance.is_some();
        let away_from_source =
            recipe.negative_prompt.trim().is_empty() && edit.method != EditMethod::AlePublished;
        let led_away = match (guided, away_from_source) {
            (false, _) => None,
            (true, true) => Some(source_texts.base.shallow_clone()),
            (true, false) => Some(self.encode(&recipe.negative_prompt)?),
        };
        let reach = if edit.method == EditMethod::Ale {
            REACH
        } else {
            1.0
        };
        let of_source = text_context(self.unet, &source_texts.base)?;
        let mut of_target = text_context(self.unet, &target_texts.base)?;
        for own in self.picture_prompts {
            of_target = own.beside_prompt(of_target);
        }
        if let Some(led_away) = &led_away {
            let mut led_away = text_context(self.unet, led_away)?;
            for own in self.picture_prompts {
                led_away = own.beside_negative(led_away);
            }
            of_target = beside(&of_target, &led_away)?;
        }
        Ok(Prepared {
            of_source,
            of_target,
            weights: RegionWeights::reaching(&coverage, height, width, reach)?,
            prediction: plan.scheduler.prediction_type,
            guidance: plan.guidance,
            from_noise: recipe.source.as_ref().is_some_and(|s| s.strength >= 1.0),
            source,
            clean,
            steps,
            noise,
            masks,
            whole,
            free,
            source_texts,
            target_texts,
        })
    }

    /// The source at the recipe's size.
    fn source(&self, recipe: &Recipe) -> Result<Arc<Picture>> {
        let source = recipe.source.as_ref().ok_or_else(|| {
            EngineError::request("edit", "there is no picture to change; give a source")
        })?;
        let picture = self.pictures.get(&source.picture)?;
        Ok(Arc::new(
            picture.covering(recipe.width_px, recipe.height_px),
        ))
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
        let mut maps = AttentionMaps::default();
        for part in LOOKED_AT {
            let timestep = (part * self.scheduler.num_train_timesteps as f64).round();
            let levels = inversion::steps(&[timestep], &noise_schedule);
            let input = levels[0].noised_before(clean, noise)?;
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

    /// A text with everything that the model takes.
    fn encode(&self, text: &str) -> Result<Conditioning> {
        let mut conditioning = self.text.encode(text, 1)?;
        conditioning.sizes = self.sizes;
        Ok(conditioning)
    }
}

/// Both along the batch.
pub(super) fn beside(first: &TextContext, second: &TextContext) -> Result<TextContext> {
    first.beside(second)?.ok_or_else(|| {
        EngineError::request(
            "prompt",
            "prompt and negative prompt must each fit into one chunk of tokens for an edit",
        )
    })
}

/// Has the controls move what the target reads.
fn move_by_controls(texts: &mut EditTexts, apart: Apart, controls: &[Resolved]) -> Result<()> {
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
        let span = subject_span(control, &texts.base)?;
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
        if let Some(thing) = texts.things.get_mut(own) {
            // There it may stand elsewhere.
            let span = match apart {
                Apart::InTheirPrompt => subject_span(control, thing)?,
                _ => span,
            };
            direction.apply(thing, &span, raw)?;
        }
    }
    Ok(())
}

/// Everything that any of `masks`, of which there is one, covers.
fn union(masks: &[(usize, Mask)]) -> Mask {
    let mut all = masks.iter().map(|(_, mask)| mask);
    let first = all.next().cloned().unwrap_or_else(|| Mask::new(0, 0));
    all.fold(first, |sum, mask| sum.joined(mask))
}

/// How much each latent cell may change: as much of it as the mask covers.
fn free_cells(mask: &Mask, pixels_per_cell: i64) -> Result<Tensor> {
    let side = [pixels_per_cell, pixels_per_cell];
    Ok(coverage_tensor(mask)?.f_avg_pool2d(side, side, [0, 0], false, true, None)?)
}
