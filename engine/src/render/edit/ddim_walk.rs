//! Plain DDIM inversion: the source is walked up to noise under its own words, and down again under
//! the new ones (arXiv 2010.02502, §4.3).

use tch::Tensor;

use super::Editor;
use super::prepared::Prepared;
use super::virtual_walk::finite;
use crate::Result;
use crate::recipe::Edit;
use crate::render::OnStep;
use crate::render::denoise::proceed;

impl Editor<'_> {
    /// The target's latents. The way up needs as many calls again as the way down.
    ///
    /// # Errors
    /// The numbers stop being finite, memory runs out, or `on_step` cancelled.
    pub(super) fn walk_by_ddim(
        &self,
        edit: &Edit,
        p: &Prepared,
        on_step: &mut OnStep<'_>,
    ) -> Result<Tensor> {
        let calls = 2 * p.steps.len();
        // The source at every level, the clean one first.
        let mut levels = vec![p.clean.shallow_clone()];
        let mut sample = p.clean.shallow_clone();
        for (i, step) in p.steps.iter().rev().enumerate() {
            proceed(on_step, i, calls)?;
            let output = self.call(&sample, step.timestep, &p.of_source, None)?;
            sample = step.inverted(p.prediction, &sample, &output)?;
            finite(&sample, i, calls)?;
            levels.push(sample.shallow_clone());
        }
        for (i, step) in p.steps.iter().enumerate() {
            proceed(on_step, p.steps.len() + i, calls)?;
            let input = match p.guidance {
                Some(_) => Tensor::f_cat(&[&sample, &sample], 0)?,
                None => sample.shallow_clone(),
            };
            let output = self.call(&input, step.timestep, &p.of_target, None)?;
            let mut target = output.f_narrow(0, 0, 1)?;
            if let Some(guidance) = &p.guidance {
                target = guidance.combine(&output.f_narrow(0, 1, 1)?, &target)?;
            }
            sample = step.denoised(p.prediction, &sample, &target)?;
            finite(&sample, p.steps.len() + i, calls)?;
            let source = &levels[p.steps.len() - 1 - i];
            sample = p.held(edit, sample, source)?;
        }
        Ok(sample)
    }
}
