//! One loaded model.

mod controlled;
mod edited;
mod load;
mod settings;

use std::path::{Path, PathBuf};

use tch::{Device, Tensor};

use super::adapters::AdapterShelf;
use super::controlnets::ControlNetShelf;
use super::denoise::{Denoiser, Walk};
use super::edit::EditReport;
use super::halves::Halves;
use super::highres::UpscalerShelf;
use super::meter_push::PushedModel;
use super::phases::{Contexts, EncodedPrompt, PhaseMaker};
use super::picture_prompts::{PicturePromptShelf, PromptScene};
use super::plan::{LatentSpace, Plan};
use super::regions::RegionTexts;
use super::shelf::{Resolved, Shelf};
use super::snapshots::{Snapshots, everything_but_controls};
use super::source::{Frame, SourcePixels};
use super::start::SourceEncoder;
use super::watch::Watched;
use super::{LatentRgb, LatentWatch, OnStep, closed_loop, to_picture};
use crate::checkpoint::{Checkpoint, MeterOptions, open_meter};
use crate::conditioning::PictureSizes;
use crate::device::Dtype;
use crate::measure::Meter;
use crate::models::vae::Vae;
use crate::picture::{Picture, PictureShelf};
use crate::prompt::TextStage;
use crate::recipe::{Recipe, ResolvedSchedule};
use crate::sampling::{NoiseSchedule, PredictionType, SchedulerConfig};
use crate::{EngineError, Result};

/// A picture and what it came from.
#[derive(Debug)]
pub struct Rendered {
    /// The pixels.
    pub picture: Picture,
    /// The recipe with the hashes of model and controls and the controls' settings resolved.
    pub recipe: Recipe,
    /// The final latents `[1, channels, h, w]` in fp32, before the VAE's scaling is undone.
    pub latents: Tensor,
    /// What the artist should know about it, a sentence each.
    pub notes: Vec<String>,
    /// What an edit did, where the recipe has one.
    pub edit: Option<EditReport>,
}

/// A loaded model: text encoder and U-Net in the dtype asked for, VAE in fp32.
pub struct Renderer {
    folder: PathBuf,
    hash: String,
    dtype: Dtype,
    pub(super) device: Device,
    text: TextStage,
    halves: Halves,
    vae: Vae,
    space: LatentSpace,
    scheduler: SchedulerConfig,
    /// Whether an empty negative prompt is zeros.
    zeros_for_empty: bool,
    /// The last prompt, which serves a whole batch.
    encoded: Option<EncodedPrompt>,
    region_texts: RegionTexts,
    pub(super) pictures: PictureShelf,
    sources: SourceEncoder,
    adapters: AdapterShelf,
    picture_prompts: PicturePromptShelf,
    pub(super) upscalers: UpscalerShelf,
    controlnets: ControlNetShelf,
    shelf: Shelf,
    snapshots: Snapshots,
    meter_options: MeterOptions,
    /// What reads this model's pictures, once somebody asked.
    meter: Option<Box<dyn Meter>>,
    latent_rgb: Option<LatentRgb>,
    /// Longest side in pixels at which it makes whole things.
    most_px: Option<u32>,
    watch: Option<LatentWatch>,
}

impl Renderer {
    /// How this model's latents are coloured without its VAE, where that is known.
    pub fn latent_rgb(&self) -> Option<&LatentRgb> {
        self.latent_rgb.as_ref()
    }

    /// Side of the square of pixels that one latent stands for.
    pub fn pixels_per_cell(&self) -> u32 {
        self.space.pixels_per_cell as u32
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// SHA-256 over the model's files, in hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether this is the model of `folder` as it lies there now, in `dtype` on `device`.
    pub fn is_for(&self, folder: &Path, dtype: Dtype, device: Device) -> bool {
        (self.dtype, self.device) == (dtype, device)
            && self.folder == folder
            && Checkpoint::open(folder)
                .and_then(|model| model.hash())
                .is_ok_and(|now| now == self.hash)
    }

    /// Renders one picture; `on_step` is asked before every model call and before decoding.
    ///
    /// Where recipes agree up to the step at which a control begins, the work up to there is done
    /// once. A control that is to reach a measured value is searched for with whole renders, unless
    /// the recipe carries what an earlier search found.
    ///
    /// # Errors
    /// A field cannot be carried out, the numbers stop being finite, memory runs out, or `on_step`
    /// cancelled ([`EngineError::Cancelled`]).
    pub fn render(&mut self, recipe: &Recipe, on_step: &mut OnStep<'_>) -> Result<Rendered> {
        recipe.validate()?;
        let recipe = &recipe.with_tags_as_adapters()?;
        if let Some(highres) = &recipe.highres {
            return self.render_highres(recipe, highres, on_step);
        }
        if closed_loop::is_open(recipe) {
            return closed_loop::close(self, recipe, on_step);
        }
        self.render_resolved(recipe, on_step)
    }

    /// Renders a recipe none of whose controls is still searched for.
    pub(super) fn render_resolved(
        &mut self,
        recipe: &Recipe,
        on_step: &mut OnStep<'_>,
    ) -> Result<Rendered> {
        let _guard = tch::no_grad_guard();
        let mut notes = Vec::new();
        let mut recipe = recipe.clone();
        self.pictures.resolve(&mut recipe)?;
        if recipe.edit.is_some() {
            return self.edited(recipe, on_step);
        }
        let scheduler = self.scheduler_for(&recipe)?;
        let plan = Plan::compile(&recipe, &self.space, &scheduler)?;
        notes.extend(self.beyond(&recipe));
        let controls = self.resolve(&recipe, &mut notes)?;
        self.apply_adapters(&mut recipe, &mut notes)?;
        self.encode(&recipe, plan.guidance.is_some())?;
        let source = SourcePixels::read(&recipe, &self.pictures)?;
        if source.as_ref().is_some_and(SourcePixels::is_fixed) {
            notes.push("mask: nothing may change, so the picture stays as it is".to_owned());
        }
        let whole = Frame::whole(&recipe);
        let frame = source.as_ref().map_or(whole, |source| source.frame);
        let scene = PromptScene {
            unet: self.halves.unet(),
            pictures: &self.pictures,
            frame,
            latent_shape: plan.latent_shape,
        };
        let picture_prompts = self
            .picture_prompts
            .resolve(&mut recipe, scene, &mut notes)?;
        let nets = self.resolve_nets(&mut recipe, frame, source.as_ref(), &mut notes)?;
        let regions = self.region_texts.regions(
            &recipe,
            frame,
            &self.pictures,
            (&self.text, self.halves.unet(), self.sizes(&recipe)),
            (plan.latent_shape, self.device),
            &mut notes,
        )?;
        let beginning = self.sources.beginning(
            &recipe,
            &plan,
            source.as_ref(),
            self.space.inpaints,
            (&self.vae, self.device),
        )?;
        if controls.iter().any(Resolved::needs_meter) {
            self.meter()?;
        }
        let meter = self.meter.as_deref();
        let encoded = self.encoded.as_ref().ok_or_else(not_encoded)?;
        let calls = plan.sampler.schedule().timesteps.len();
        let maker = PhaseMaker {
            encoded,
            controls: &controls,
            text: &self.text,
            unet: self.halves.unet(),
            negative_unet: self.halves.negative_unet(),
            shelf: &self.shelf,
            meter,
            pictures: &picture_prompts,
            regions: regions.as_ref(),
            nets: &nets,
        };
        let phases = maker.phases(calls, plan.calls_from_noise)?;
        let pushed = match meter.filter(|_| phases.iter().any(|p| !p.pushes.is_empty())) {
            Some(meter) => Some((meter, NoiseSchedule::new(&plan.scheduler)?)),
            None => None,
        };
        let watched = match &mut self.watch {
            Some(watch) => Some(Watched {
                watch,
                noise: NoiseSchedule::new(&plan.scheduler)?,
                prediction: plan.scheduler.prediction_type,
            }),
            None => None,
        };
        let mut walk = Walk {
            watched,
            phases,
            controls: &controls,
            shelf: &self.shelf,
            pushed: pushed.as_ref().map(|(meter, noise)| PushedModel {
                vae: &self.vae,
                meter: *meter,
                noise,
                prediction: scheduler.prediction_type,
            }),
            key: everything_but_controls(&recipe),
            noise: beginning.noise,
            start: beginning.start,
        };
        let mut denoiser = Denoiser {
            halves: &mut self.halves,
            kind: self.dtype.kind(),
            device: self.device,
            beside: beginning.beside,
        };
        let walked_schedule = ResolvedSchedule::of(plan.sampler.schedule());
        let walked = denoiser.run(plan, &mut walk, &mut self.snapshots, on_step);
        // Whatever happened, the next prompt is read by the U-Net as it is.
        self.shelf.set_strengths(&[]);
        let latents = walked?;
        let image = self.vae.decode(&self.vae.unscale(&latents)?)?;
        recipe.model.hash.clone_from(&self.hash);
        recipe.walk.resolved_schedule = Some(walked_schedule);
        recipe.controls = controls.into_iter().map(|c| c.wanted).collect();
        let picture = to_picture(&image)?;
        Ok(Rendered {
            picture: match &source {
                Some(source) => source.finish(picture),
                None => picture,
            },
            recipe,
            latents,
            notes,
            edit: None,
        })
    }

    /// What reads this model's pictures.
    ///
    /// # Errors
    /// There is nothing, or its files are damaged; see [`open_meter`].
    pub fn meter(&mut self) -> Result<&dyn Meter> {
        let meter = match self.meter.take() {
            Some(meter) => meter,
            None => open_meter(&self.folder, &self.meter_options, self.device)?,
        };
        Ok(&**self.meter.insert(meter))
    }

    /// Puts the recipe's adapters and embeddings on the model, and forgets what was computed with
    /// others.
    pub(super) fn apply_adapters(
        &mut self,
        recipe: &mut Recipe,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let applied = self
            .adapters
            .apply(recipe, &mut self.halves, &mut self.text, notes);
        if !applied.as_ref().is_ok_and(|changed| !changed.unet) {
            self.region_texts = RegionTexts::default();
        }
        match applied {
            Ok(changed) if !changed.text => {
                if let Some(encoded) = self.encoded.as_mut().filter(|_| changed.unet) {
                    let (positive, negative) = (&encoded.positive, encoded.negative.as_ref());
                    encoded.contexts = Contexts::make(self.halves.unets(), positive, negative)?;
                }
                Ok(())
            }
            other => {
                self.encoded = None;
                self.region_texts = RegionTexts::default();
                other.map(drop)
            }
        }
    }

    /// The recipe's controls, found and read.
    pub(super) fn resolve(
        &mut self,
        recipe: &Recipe,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Resolved>> {
        self.shelf.resolve(&recipe.controls, &self.halves, notes)
    }

    /// A sentence where `recipe` is larger than what the model makes well.
    fn beyond(&self, recipe: &Recipe) -> Option<String> {
        let (width, height) = (recipe.width_px, recipe.height_px);
        let most = self.most_px.filter(|&most| width.max(height) > most)?;
        Some(format!(
            "size: this model makes whole things up to {most} pixels a side, and at \
             {width}x{height} it may show them twice; vernier upscale enlarges pictures"
        ))
    }

    /// The last prompt, encoded.
    pub(super) fn encoded(&self) -> Result<&EncodedPrompt> {
        self.encoded.as_ref().ok_or_else(not_encoded)
    }

    /// The sizes that the model is told, where it wants to know them.
    fn sizes(&self, recipe: &Recipe) -> Option<PictureSizes> {
        let config = self.halves.unet().config();
        let wanted = config.addition_embed_type.is_some();
        wanted.then(|| PictureSizes::whole(recipe.height_px, recipe.width_px))
    }

    /// The model's scheduler, with what the recipe says in its place.
    fn scheduler_for(&self, recipe: &Recipe) -> Result<SchedulerConfig> {
        let mut scheduler = self.scheduler.clone();
        if let Some(name) = &recipe.model.prediction_type {
            scheduler.prediction_type = name.parse::<PredictionType>()?;
        }
        Ok(scheduler)
    }

    /// Forgets the last prompt and all shared work: the next picture is made from nothing.
    pub(super) fn forget_prompt(&mut self) {
        self.encoded = None;
        self.region_texts = RegionTexts::default();
        self.sources = SourceEncoder::default();
        self.snapshots = Snapshots::default();
    }

    /// Encodes the prompts of `recipe`, unless the last picture had the same words.
    pub(super) fn encode(&mut self, recipe: &Recipe, guided: bool) -> Result<()> {
        let negative_prompt = guided.then(|| recipe.negative_prompt.clone());
        let same = self.encoded.as_ref().is_some_and(|e| {
            (&e.prompt, &e.negative_prompt) == (&recipe.prompt, &negative_prompt)
                && e.positive.sizes == self.sizes(recipe)
        });
        if same {
            return Ok(());
        }
        self.encoded = None;
        let (mut positive, mut negative) = match &negative_prompt {
            None => (self.text.encode(&recipe.prompt, 1)?, None),
            Some(negative) => {
                // Both are padded to as many chunks as the longer one needs.
                let (prompt, mut empty) = self.text.encode_pair(&recipe.prompt, negative)?;
                if let Some(weak) = self.adapters.weak_text(&self.text, negative, &prompt)? {
                    empty = weak;
                }
                (prompt, Some(empty))
            }
        };
        positive.sizes = self.sizes(recipe);
        if let Some(text) = &mut negative {
            if self.zeros_for_empty && text.prompt.is_empty() {
                *text = text.zeroed()?;
            }
            text.sizes = positive.sizes;
        }
        self.encoded = Some(EncodedPrompt {
            prompt: recipe.prompt.clone(),
            negative_prompt,
            contexts: Contexts::make(self.halves.unets(), &positive, negative.as_ref())?,
            positive,
            negative,
        });
        Ok(())
    }
}

fn not_encoded() -> EngineError {
    EngineError::request("prompt", "was not encoded")
}
