//! Which recipes can be rendered at all.

use super::{
    AdapterUse, ControlNetUse, ControlUse, Edit, EmbeddingUse, PicturePromptUse, Preprocessor,
    Recipe, SIZE_RANGE_PX, STEPS_RANGE,
};
use crate::device::Dtype;
use crate::sampling::SamplerName;
use crate::{EngineError, Result};

impl Recipe {
    /// Checks every field that can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the first field that cannot be carried out, and its range.
    pub fn validate(&self) -> Result<()> {
        check_size("width_px", self.width_px)?;
        check_size("height_px", self.height_px)?;
        if !STEPS_RANGE.contains(&self.steps) {
            return Err(EngineError::request(
                "steps",
                format!(
                    "{} is outside {} to {}",
                    self.steps,
                    STEPS_RANGE.start(),
                    STEPS_RANGE.end()
                ),
            ));
        }
        if !self.guidance_scale.is_finite() {
            return Err(EngineError::request(
                "guidance_scale",
                format!("{} is not a finite number", self.guidance_scale),
            ));
        }
        self.sampler.parse::<SamplerName>()?;
        self.dtype.parse::<Dtype>()?;
        self.walk.validate()?;
        self.text.validate()?;
        self.controls.iter().try_for_each(ControlUse::validate)?;
        self.adapters.iter().try_for_each(AdapterUse::validate)?;
        self.embeddings
            .iter()
            .try_for_each(EmbeddingUse::validate)?;
        let mut picture_prompts = self.picture_prompts.iter();
        picture_prompts.try_for_each(PicturePromptUse::validate)?;
        self.controlnets
            .iter()
            .try_for_each(|used| self.check_controlnet(used))?;
        if let Some(source) = &self.source {
            source.validate(self.steps)?;
        }
        if let Some(highres) = &self.highres {
            highres.validate(self)?;
        }
        if let Some(edit) = &self.edit {
            self.check_edit(edit)?;
        }
        let mut regions = self.regions.iter().enumerate();
        regions.try_for_each(|(index, region)| region.validate(index))
    }

    fn check_controlnet(&self, used: &ControlNetUse) -> Result<()> {
        used.validate()?;
        let mask = self.source.as_ref().and_then(|source| source.mask.as_ref());
        if used.preprocessor == Preprocessor::Inpaint && mask.is_none() && !used.is_idle() {
            let problem = "its preprocessor inpaint makes a hole where the source's mask is white, \
                           and there is no mask; give one, or take another preprocessor";
            let field = format!("controlnet \"{}\"", used.name);
            return Err(EngineError::request(field, problem));
        }
        Ok(())
    }

    fn check_edit(&self, edit: &Edit) -> Result<()> {
        let refuse = |problem: &str| Err(EngineError::request("edit", problem));
        let Some(source) = &self.source else {
            return refuse("there is no picture to change; give a source");
        };
        if source.mask.is_some() {
            return refuse("its changes have masks of their own; take the source's mask away");
        }
        if !self.regions.is_empty() {
            return refuse("its changes say what is where; take the regions away");
        }
        if let Some(used) = self.controlnets.iter().find(|used| !used.is_idle()) {
            return Err(EngineError::request(
                format!("controlnet \"{}\"", used.name),
                "an edit follows its source and no ControlNet; take it away, or render without the \
                 edit",
            ));
        }
        edit.validate(&self.prompt)
    }
}

fn check_size(field: &str, pixels: u32) -> Result<()> {
    if !SIZE_RANGE_PX.contains(&pixels) {
        return Err(EngineError::request(
            field,
            format!(
                "{pixels} is outside {} to {} pixels",
                SIZE_RANGE_PX.start(),
                SIZE_RANGE_PX.end()
            ),
        ));
    }
    if !pixels.is_multiple_of(8) {
        let below = pixels / 8 * 8;
        return Err(EngineError::request(
            field,
            format!(
                "{pixels} is not a multiple of 8; the nearest are {below} and {}",
                below + 8
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn a_good_recipe_passes() {
        sample().validate().unwrap();
    }

    #[test]
    fn each_bad_field_is_named() {
        type Spoil = fn(&mut Recipe);
        let cases: [(&str, Spoil); 9] = [
            ("width_px", |r| r.width_px = 130),
            ("width_px", |r| r.width_px = 56),
            ("height_px", |r| r.height_px = 4104),
            ("height_px", |r| r.height_px = 0),
            ("steps", |r| r.steps = 0),
            ("steps", |r| r.steps = 1001),
            ("guidance_scale", |r| r.guidance_scale = f64::NAN),
            ("sampler", |r| r.sampler = "warp drive".to_owned()),
            ("dtype", |r| r.dtype = "f8".to_owned()),
        ];
        for (field, spoil) in cases {
            let mut recipe = sample();
            spoil(&mut recipe);
            let error = recipe.validate().unwrap_err();
            assert!(error.is_usage(), "{error}");
            assert!(error.to_string().starts_with(field), "{field}: {error}");
        }
    }
}
