//! From a plan to what the trainings take.

use std::path::PathBuf;
use std::time::Duration;

use super::super::super::{
    AttAdapterOptions, DirectionMethod, LearnedDirection, PictureRequest, Schedule,
    TrainingRequest, ValueOptions,
};
use super::super::{
    AdapterPlan, DirectionPlan, PicturePlan, PromptPlan, SliderPlan, TrainingMethod, TrainingPlan,
    ValuePlan, checked_name,
};
use super::quantity::quantity;
use super::{Kind, Places, TrainingTask};
use crate::recipe::ModelRef;
use crate::render::Defaults;
use crate::train::att_adapter::CvaeWeights;
use crate::train::direction::{
    DirectionOptions, PairTemplates, PromptPair, read_pairs, read_slider_pairs,
};
use crate::train::slider::SliderOptions;
use crate::{EngineError, Result};

/// The ending of control files.
const ENDING: &str = "safetensors";

/// η where nobody says.
const USUAL_ETA: f64 = 4.0;

/// Guidance scale of a slider's walks where nobody says: the published programs' own, whatever
/// pictures are made with.
const SLIDER_GUIDANCE: f64 = 3.0;

impl TrainingPlan {
    /// The training that it means, where things lie in `places`.
    ///
    /// # Errors
    /// A name, number or prompt cannot be used, or the model cannot be opened.
    pub fn task(&self, places: &Places) -> Result<TrainingTask> {
        let mut notes = Vec::new();
        let kind = match &self.method {
            TrainingMethod::Direction(plan) => self.direction(plan, places)?,
            TrainingMethod::Slider(plan) => self.slider(plan, places, &mut notes)?,
            TrainingMethod::Value(plan) => self.value(plan, places)?,
            TrainingMethod::AttAdapter(plan) => self.adapter(plan, places)?,
        };
        Ok(TrainingTask {
            kind,
            notes,
            work: self.work_folder(places)?,
        })
    }

    fn direction(&self, plan: &DirectionPlan, places: &Places) -> Result<Kind> {
        let pairs = match &plan.prompts.pairs {
            Some(path) => read_pairs(path)?,
            None => plan.prompts.templates().pairs()?,
        };
        let request = self.request(&plan.prompts, pairs, 0.2, places)?;
        if plan.is_difference {
            return Ok(Kind::Direction(request, DirectionMethod::Difference));
        }
        let defaults = Defaults::of(&request.model_folder)?;
        let learned = LearnedDirection {
            options: DirectionOptions {
                loss: plan.loss.parse()?,
                walks: plan.prompts.walks,
                sampling_steps: plan.prompts.sampling_steps(&defaults),
                guidance_scale: plan
                    .prompts
                    .guidance_scale
                    .unwrap_or(defaults.guidance_scale),
                scales: plan.scales,
                scale_range: plan.scale_range,
                seed: self.seed,
            },
            from_difference: plan.from_difference,
            schedule: self.prompt_schedule(&plan.prompts, places)?,
        };
        Ok(Kind::Direction(request, DirectionMethod::Learned(learned)))
    }

    fn slider(&self, plan: &SliderPlan, places: &Places, notes: &mut Vec<String>) -> Result<Kind> {
        let (pairs, eta) = match &plan.prompts.pairs {
            Some(path) => {
                let read = read_slider_pairs(path)?;
                notes.extend(read.warnings);
                (read.pairs, read.eta)
            }
            None => (plan.prompts.templates().pairs()?, USUAL_ETA),
        };
        let request = self.request(&plan.prompts, pairs, 0.25, places)?;
        let defaults = Defaults::of(&request.model_folder)?;
        let options = SliderOptions {
            layers: plan.layers.parse()?,
            rank: plan.rank,
            alpha: plan.alpha,
            eta: plan.eta.unwrap_or(eta),
            walks: plan.prompts.walks,
            sampling_steps: plan.prompts.sampling_steps(&defaults),
            guidance_scale: plan.prompts.guidance_scale.unwrap_or(SLIDER_GUIDANCE),
            seed: self.seed,
        };
        let schedule = self.prompt_schedule(&plan.prompts, places)?;
        Ok(Kind::Slider(
            request,
            options,
            plan.preserved.clone(),
            schedule,
        ))
    }

    fn value(&self, plan: &ValuePlan, places: &Places) -> Result<Kind> {
        let named = plan
            .quantities
            .iter()
            .map(|text| quantity(text, &self.name));
        let options = ValueOptions {
            quantities: named.collect::<Result<_>>()?,
            tokens: plan.tokens,
        };
        let request = self.picture_request(&plan.pictures, places)?;
        let source = plan.pictures.source(&plan.columns);
        let schedule = self.picture_schedule(places)?;
        Ok(Kind::Value(request, options, source, schedule))
    }

    fn adapter(&self, plan: &AdapterPlan, places: &Places) -> Result<Kind> {
        let options = AttAdapterOptions {
            architecture: plan.architecture,
            tokens: plan.tokens,
            latent_dim: plan.latent_dim,
            hidden_dim: plan.hidden_dim,
            cvae: CvaeWeights {
                kl: plan.kl_weight,
                reconstruction: plan.reconstruction_weight,
            },
        };
        let request = self.picture_request(&plan.pictures, places)?;
        let source = plan.pictures.source(&plan.columns);
        let schedule = self.picture_schedule(places)?;
        Ok(Kind::AttAdapter(request, options, source, schedule))
    }

    fn request(
        &self,
        prompts: &PromptPlan,
        pairs: Vec<PromptPair>,
        start: f64,
        places: &Places,
    ) -> Result<TrainingRequest> {
        let mut subjects = prompts.subjects.clone();
        if subjects.is_empty() {
            for pair in &pairs {
                if !pair.subject.is_empty() && !subjects.contains(&pair.subject) {
                    subjects.push(pair.subject.clone());
                }
            }
        }
        let (model, model_folder) = self.model(places);
        Ok(TrainingRequest {
            name: checked_name(&self.name)?,
            attribute: prompts
                .attribute
                .clone()
                .unwrap_or_else(|| self.name.clone()),
            subjects,
            about: self.about.clone(),
            start: prompts.start.unwrap_or(start),
            command: self.written_command(places),
            model,
            model_folder,
            out: self.out_file(places)?,
            pairs,
            device: self.device.parse()?,
            dtype: self.dtype,
        })
    }

    fn picture_request(&self, pictures: &PicturePlan, places: &Places) -> Result<PictureRequest> {
        let (model, model_folder) = self.model(places);
        Ok(PictureRequest {
            name: checked_name(&self.name)?,
            about: self.about.clone(),
            command: self.written_command(places),
            model,
            model_folder,
            clip: pictures.clip.clone(),
            out: self.out_file(places)?,
            batch: pictures.batch,
            seed: self.seed,
            device: self.device.parse()?,
            dtype: self.dtype,
        })
    }

    fn prompt_schedule(&self, prompts: &PromptPlan, places: &Places) -> Result<Schedule> {
        let minutes = prompts.strip_every_min;
        Ok(Schedule {
            betas: prompts.betas,
            strip_every: (minutes > 0.0).then(|| Duration::from_secs_f64(60.0 * minutes)),
            ..self.picture_schedule(places)?
        })
    }

    fn picture_schedule(&self, places: &Places) -> Result<Schedule> {
        Ok(Schedule {
            steps: self.steps,
            workers: self.workers,
            learning_rate: self.learning_rate,
            decay: self.decay,
            betas: (0.9, 0.99),
            weight_decay: self.weight_decay,
            work: self.work_folder(places)?,
            strip_every: None,
            report_every: places.report_every,
        })
    }

    fn model(&self, places: &Places) -> (ModelRef, PathBuf) {
        match &self.model {
            Some(folder) => (ModelRef::at(folder), folder.clone()),
            None => (ModelRef::embedded(), places.embedded_model.clone()),
        }
    }

    fn written_command(&self, places: &Places) -> String {
        places.command.clone().unwrap_or_else(|| self.command())
    }

    fn out_file(&self, places: &Places) -> Result<PathBuf> {
        if let Some(path) = &self.out {
            if path.extension().is_some_and(|e| e == ENDING) {
                return Ok(path.clone());
            }
            let problem = format!("{} must end in .{ENDING}", path.display());
            return Err(EngineError::request("out", problem));
        }
        let own = places.own_controls.as_ref().ok_or_else(|| {
            EngineError::request(
                "out",
                "the environment names no home folder for your controls; name a file",
            )
        })?;
        Ok(own.join(format!("{}.{ENDING}", self.name)))
    }

    fn work_folder(&self, places: &Places) -> Result<PathBuf> {
        if let Some(work) = &self.work {
            return Ok(work.clone());
        }
        let all = places.work.as_ref().ok_or_else(|| {
            EngineError::request(
                "work",
                "the environment names no home folder for training states; name a folder",
            )
        })?;
        Ok(all.join(&self.name))
    }
}

impl PromptPlan {
    fn templates(&self) -> PairTemplates {
        PairTemplates {
            target: self.target.clone(),
            positive: self.positive.clone(),
            negative: self.negative.clone(),
            subjects: self.subjects.clone(),
            prefixes: self.prefixes.clone(),
        }
    }

    fn sampling_steps(&self, defaults: &Defaults) -> usize {
        self.sampling_steps.unwrap_or(defaults.steps as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_ending_of_controls() {
        let plan = TrainingPlan {
            out: Some("x.pt".into()),
            ..TrainingPlan::new("x", TrainingMethod::Direction(DirectionPlan::default()))
        };
        let places = Places {
            embedded_model: "m".into(),
            own_controls: None,
            work: None,
            command: None,
            report_every: Duration::ZERO,
        };
        assert!(plan.out_file(&places).is_err());
        let unnamed = TrainingPlan { out: None, ..plan };
        let said = unnamed.out_file(&places).unwrap_err().to_string();
        assert!(said.contains("name a file"), "{said}");
    }
}
