//! One worker of the baseline's training: LoRA (arXiv 2106.09685) on the attention layers, with the
//! values as numbers in the prompt.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::super::random::step_rng;
use super::super::training_set::{TrainingSet, draw, drop_captions};
use super::super::verdict::{Judged, Row};
use super::super::{DiffusionLoss, FrozenModel, Noised, Replica, shallow};
use super::AdapterTask;
use super::masks::mask;
use crate::Result;
use crate::controls::{AttributeValues, Slider, SliderLayer, prompt_with_numbers};
use crate::layers::Multiplier;
use crate::sampling::lock_generator;
use crate::weights::{Init, ParamStore};

/// Rank of the branches, and their alpha.
const RANK: i64 = 8;
/// Layers that get a branch.
const LAYERS: [&str; 4] = ["to_q", "to_k", "to_v", "to_out.0"];

/// Endings of the parameters' names.
const DOWN: &str = ".down";
const UP: &str = ".up";

/// The branches in training, beside their frozen model.
pub(crate) struct NumbersTrainer {
    model: FrozenModel,
    data: TrainingSet,
    parameters: Vec<(String, Tensor)>,
    strength: Multiplier,
    loss: DiffusionLoss,
    task: AdapterTask,
}

impl NumbersTrainer {
    pub(crate) fn new(model: FrozenModel, data: TrainingSet, task: AdapterTask) -> Result<Self> {
        let store = ParamStore::fresh(model.kind, model.device);
        let mut shapes = Vec::new();
        model.unet.for_each_layer(&mut |path, layer| {
            let of_attention = path.contains(".attn1.") || path.contains(".attn2.");
            if of_attention && LAYERS.iter().any(|name| path.ends_with(name)) {
                shapes.push((path.to_owned(), layer.weight_shape()));
            }
        });
        {
            let _generator = lock_generator();
            tch::manual_seed(task.seed as i64);
            for (path, shape) in &shapes {
                let at = store.root().at(path);
                let _ = at.get("down", &[RANK, shape[1]], Init::FanIn(shape[1]))?;
                let _ = at.get("up", &[shape[0], RANK], Init::Zeros)?;
            }
        }
        let parameters = store.named();
        let strength = Multiplier::new(1.0);
        slider(&parameters).attach(&model.unet, &strength)?;
        Ok(Self {
            loss: DiffusionLoss::new(&model),
            model,
            data,
            parameters,
            strength,
            task,
        })
    }

    fn predict(&mut self, noised: &Noised, prompts: &[String]) -> Result<Tensor> {
        let mut chunks = 1;
        for prompt in prompts {
            chunks = chunks.max(self.model.text.chunks(prompt)?);
        }
        let states = prompts
            .iter()
            .map(|prompt| self.model.text.encode(prompt, chunks)?.context())
            .collect::<Result<Vec<_>>>()?;
        let text = self
            .model
            .unet
            .text_context(&Tensor::f_stack(&states, 0)?)?;
        self.model
            .predict_each(&noised.latents, &noised.timesteps, &text, None)
    }

    fn prompt(&self, caption: Option<usize>, values: &[Option<f64>]) -> String {
        let caption = caption.map_or("", |at| self.data.captions[at].as_str());
        let named = self.task.ranges.iter().zip(values);
        let set: AttributeValues = named
            .filter_map(|(range, value)| Some((range.name.clone(), (*value)?)))
            .collect();
        prompt_with_numbers(caption, &self.task.ranges, &set)
    }
}

/// The branches of `parameters`, which they share.
pub(crate) fn slider(parameters: &[(String, Tensor)]) -> Slider {
    let find = |name: String| parameters.iter().find(|(n, _)| *n == name);
    let layers = parameters.iter().filter_map(|(name, down)| {
        let path = name.strip_suffix(DOWN)?;
        let (_, up) = find(format!("{path}{UP}"))?;
        Some(SliderLayer {
            path: path.to_owned(),
            down: down.shallow_clone(),
            up: up.shallow_clone(),
            scale: 1.0,
        })
    });
    Slider::new(layers.collect())
}

impl Replica for NumbersTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let mut rng = step_rng(self.task.seed, self.task.worker, step);
        let rows = draw(&self.task.learnt, self.task.batch, &mut rng);
        let captions = drop_captions(&rows, &mut rng);
        let prompts: Vec<String> = rows
            .iter()
            .zip(captions)
            .map(|(&row, caption)| {
                let values = mask(&self.data.values[row], &mut rng);
                self.prompt(caption, &values)
            })
            .collect();
        let clean = self.data.latents(&rows, &self.model)?;
        let noised = self.loss.noised(&clean, &mut rng)?;
        let output = self.predict(&noised, &prompts)?;
        Ok((noised.loss(&output)?, Vec::new()))
    }
}

impl Judged for NumbersTrainer {
    fn attributes(&self) -> Vec<String> {
        self.task.names()
    }

    fn values(&self, picture: usize) -> Row {
        self.data.values[picture].clone()
    }

    fn error(
        &mut self,
        pictures: &[usize],
        values: Option<&[Row]>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor> {
        let clean = self.data.latents(pictures, &self.model)?;
        let noised = self.loss.noised(&clean, rng)?;
        let nothing = vec![None; self.task.ranges.len()];
        let prompts: Vec<String> = pictures
            .iter()
            .enumerate()
            .map(|(at, &picture)| {
                let own = values.map_or(&nothing, |values| &values[at]);
                self.prompt(Some(picture), own)
            })
            .collect();
        self.strength.set(f64::from(u8::from(values.is_some())));
        let output = self.predict(&noised, &prompts);
        self.strength.set(1.0);
        noised.loss(&output?)
    }
}
