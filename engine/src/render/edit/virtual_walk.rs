//! The walk of a virtual inversion, with attribute-leakage-free editing (arXiv 2412.04715) or
//! prompt-to-prompt (arXiv 2208.01626) at work in the attention layers.

use tch::Tensor;

use super::Editor;
use super::attention::{EditAttention, EditRegions, SOURCE, TARGET};
use super::prepared::{Prepared, beside};
use super::prompt_to_prompt::{Alignment, CROSS_STEPS, PromptToPrompt};
use crate::layers::AttentionHook;
use crate::models::unet::TextContext;
use crate::recipe::{Edit, EditMethod, EditPart};
use crate::render::OnStep;
use crate::render::denoise::proceed;
use crate::render::phases::text_context;
use crate::render::pixels::is_finite;
use crate::{EngineError, Result};

impl Editor<'_> {
    /// The target's latents.
    ///
    /// # Errors
    /// The numbers stop being finite, memory runs out, or `on_step` cancelled.
    pub(super) fn walk_virtually(
        &self,
        edit: &Edit,
        p: &Prepared,
        on_step: &mut OnStep<'_>,
    ) -> Result<Tensor> {
        let things = p.target_texts.things.iter();
        let things = things.map(|thing| text_context(self.unet, thing));
        let things: Vec<TextContext> = things.collect::<Result<_>>()?;
        let regions = EditRegions {
            weights: &p.weights,
            things: &things,
            own_keys: edit.method == EditMethod::Ale,
        };
        let regions = (edit.has(EditPart::Regions) && !things.is_empty()).then_some(regions);
        let alignment = Alignment::new(&p.source_texts, &p.target_texts, self.device)?;
        let part_of_steps = |part: f64| (part * p.steps.len() as f64).round() as usize;
        let (kept, replaced) = (part_of_steps(edit.structure), part_of_steps(CROSS_STEPS));
        let mut of_source = match p.steps.first() {
            // The method starts from noise alone; what little of the source the schedule leaves
            // would be another picture's to the model.
            Some(step) if !p.from_noise => step.noised_before(&p.clean, &p.noise[0])?,
            _ => p.noise[0].shallow_clone(),
        };
        let mut of_target = of_source.shallow_clone();
        let context = beside(&p.of_source, &p.of_target)?;
        for (i, step) in p.steps.iter().enumerate() {
            proceed(on_step, i, p.steps.len())?;
            let keeps_structure = edit.has(EditPart::Structure) && i < kept;
            let mut ale = EditAttention {
                keeps_structure,
                regions,
            };
            let mut controls = PromptToPrompt {
                keeps_structure,
                words: (i < replaced).then_some(&alignment),
            };
            let hook: &mut dyn AttentionHook = match edit.method {
                EditMethod::PromptToPrompt => &mut controls,
                _ => &mut ale,
            };
            let mut batch = vec![&of_source, &of_target];
            if p.guidance.is_some() {
                batch.push(&of_target);
            }
            let input = Tensor::f_cat(&batch, 0)?;
            let output = self.call(&input, step.timestep, &context, Some(hook))?;
            let row = |at: i64| output.f_narrow(0, at, 1);
            let mut target = row(TARGET)?;
            if let Some(guidance) = &p.guidance {
                target = guidance.combine(&row(TARGET + 1)?, &target)?;
            }
            let target_clean = step.target(
                p.prediction,
                &p.clean,
                (&of_source, &row(SOURCE)?),
                (&of_target, &target),
            )?;
            finite(&target_clean, i, p.steps.len())?;
            of_source = step.noised_after(&p.clean, &p.noise[i + 1])?;
            let noised = step.noised_after(&target_clean, &p.noise[i + 1])?;
            of_target = p.held(edit, noised, &of_source)?;
        }
        Ok(of_target)
    }
}

/// Fails where latents are no longer numbers.
pub(super) fn finite(latents: &Tensor, step: usize, steps: usize) -> Result<()> {
    if is_finite(latents)? {
        return Ok(());
    }
    Err(EngineError::NotFinite {
        place: format!("step {} of {steps}", step + 1),
        problem: "the latents are no longer finite numbers; lower the guidance scale".to_owned(),
    })
}
