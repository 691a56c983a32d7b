//! What a training will take, told before it begins.

use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

use super::{Parts, PersonalTask};
use crate::layers::LayerRef;
use crate::models::unet::UNet;
use crate::train::FrozenModel;
use crate::{EngineError, Result};

/// A forward and a backward pass against a forward pass.
const BACKWARD_AND_FORWARD: f64 = 3.0;
/// Numbers kept for the way back for each number that a layer reads or gives: its input, the
/// activation's and the norm's, found by measuring.
const KEPT: f64 = 2.5;

/// Memory and time of a training, estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingCost {
    /// Numbers that are trained.
    pub trained: usize,
    /// Memory beyond the loaded model, in bytes.
    pub memory_bytes: f64,
    /// Time of one step of all workers.
    pub step: Duration,
}

impl TrainingCost {
    /// That of training `parts` beside `model` with `workers` replicas, each with `task`; `classes`
    /// says whether pictures of the class go with the subject's. One call of the U-Net is timed.
    ///
    /// # Errors
    /// Memory runs out already.
    pub(crate) fn of(
        model: &FrozenModel,
        parts: &Parts,
        task: &PersonalTask,
        classes: bool,
        workers: usize,
    ) -> Result<Self> {
        let trained: usize = parts.parameters().iter().map(|(_, t)| t.numel()).sum();
        let element = model.kind.elt_size_in_bytes() as f64;
        let rows = (task.batch * if classes { 2 } else { 1 }) as f64;
        // Master, two moments and the average; the parameters; a worker's gradients, twice.
        let state = trained as f64 * (16.0 + element + workers as f64 * (4.0 + element));
        let copies = weights(model) as f64 * element * (workers - 1) as f64;
        let activations = activations(&model.unet, model.latent_shape) * KEPT * element;
        Ok(Self {
            trained,
            memory_bytes: state + copies + activations * rows * workers as f64,
            step: call(model, workers)?
                .mul_f64(BACKWARD_AND_FORWARD * rows * task.accumulate.max(1) as f64),
        })
    }

    /// One sentence for people, for `steps` steps.
    pub fn sentence(&self, steps: u64) -> String {
        let minutes = self.step.as_secs_f64() * steps as f64 / 60.0;
        let time = if minutes < 1.0 {
            format!("{:.0} s", (60.0 * minutes).ceil())
        } else if minutes < 120.0 {
            format!("{minutes:.0} min")
        } else {
            format!("{:.1} h", minutes / 60.0)
        };
        format!(
            "{:.2} million numbers are trained; {steps} steps take about {time} and {:.2} GB of \
             memory beside the model",
            self.trained as f64 / 1e6,
            self.memory_bytes / 1e9
        )
    }

    /// Refuses what cannot fit into `free_bytes`.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self, free_bytes: Option<u64>) -> Result<()> {
        match free_bytes {
            Some(free) if self.memory_bytes > free as f64 => Err(EngineError::request(
                "memory",
                format!(
                    "this training takes about {:.1} GB and {:.1} GB are free; take --batch 1 \
                     with --accumulate, --workers 1, --dtype bf16, a lower --rank or --layers cross",
                    self.memory_bytes / 1e9,
                    free as f64 / 1e9
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Numbers in the weights of U-Net and text encoder.
fn weights(model: &FrozenModel) -> usize {
    let mut count = 0;
    let mut add = |layer: LayerRef<'_>| count += layer.own().0.numel();
    model.unet.for_each_layer(&mut |_, layer| add(layer));
    model
        .text
        .encoder()
        .for_each_layer(&mut |_, layer| add(layer));
    count
}

/// Numbers that the layers of `unet` read and give for one picture.
fn activations(unet: &UNet, [_, height, width]: [i64; 3]) -> f64 {
    let mut levels = 1;
    unet.for_each_layer(&mut |path, _| {
        if let Some(level) = index_after(path, "down_blocks.") {
            levels = levels.max(level + 1);
        }
    });
    let mut numbers = 0.0;
    unet.for_each_layer(&mut |path, layer| {
        let level = index_after(path, "down_blocks.")
            .or_else(|| index_after(path, "up_blocks.").map(|up| levels - 1 - up.min(levels - 1)))
            .unwrap_or(if path.starts_with("mid_block") {
                levels - 1
            } else {
                0
            });
        let cells = if path.contains("time_emb") {
            1.0
        } else {
            (height * width) as f64 / 4_f64.powi(level)
        };
        let shape = layer.weight_shape();
        numbers += cells * (shape[0] + shape[1]) as f64;
    });
    numbers
}

fn index_after(path: &str, before: &str) -> Option<i32> {
    let rest = path.strip_prefix(before)?;
    rest.split('.').next()?.parse().ok()
}

/// Time of one call of the U-Net for one picture, with the cores that a worker has.
fn call(model: &FrozenModel, workers: usize) -> Result<Duration> {
    let _guard = tch::no_grad_guard();
    let [channels, height, width] = model.latent_shape;
    let latents = Tensor::f_zeros([1, channels, height, width], (Kind::Float, model.device))?;
    let states = model.text.encode("", 1)?.context()?.f_unsqueeze(0)?;
    let threads = tch::get_num_threads();
    if workers > 1 {
        tch::set_num_threads(1);
    }
    let timed = (|| {
        let text = model.unet.text_context(&states)?;
        // The first call sets things up.
        let _ = model.predict(&latents, 500.0, &text, None)?;
        let begun = Instant::now();
        let output = model.predict(&latents, 500.0, &text, None)?;
        // A GPU is waited for.
        let _ = output.f_to_device(Device::Cpu)?;
        Ok(begun.elapsed())
    })();
    tch::set_num_threads(threads);
    timed
}
