//! AdamW (arXiv 1711.05101) over flat buffers, with fp32 masters and an exponential moving average.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::weights::{SafetensorsFile, save};

/// AdamW's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay, per unit of learning rate.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm.
    pub max_grad_norm: f64,
    /// Decay of the exponential moving average of the parameters.
    pub ema_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            ema_decay: 0.999,
        }
    }
}

/// fp32 masters, moments and average, each `[elements]`.
#[derive(Debug)]
pub struct AdamWState {
    /// Steps taken.
    pub step: u64,
    /// The parameters in fp32.
    pub master: Tensor,
    /// First moment.
    pub moment1: Tensor,
    /// Second moment.
    pub moment2: Tensor,
    /// Exponential moving average of the parameters.
    pub ema: Tensor,
}

impl AdamWState {
    /// The state before the first step, from `params` `[elements]`.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn new(params: &Tensor) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let master = params.f_to_dtype(Kind::Float, false, true)?;
        let mut ema = master.f_empty_like()?;
        ema.f_copy_(&master)?;
        let moment1 = master.f_zeros_like()?;
        let moment2 = master.f_zeros_like()?;
        Ok(Self {
            step: 0,
            master,
            moment1,
            moment2,
            ema,
        })
    }

    /// The slice `start..start + len` of the same state: a view, updates show in both.
    ///
    /// # Errors
    /// The slice lies outside.
    pub fn slice(&self, start: i64, len: i64) -> Result<Self> {
        Ok(Self {
            step: self.step,
            master: self.master.f_narrow(0, start, len)?,
            moment1: self.moment1.f_narrow(0, start, len)?,
            moment2: self.moment2.f_narrow(0, start, len)?,
            ema: self.ema.f_narrow(0, start, len)?,
        })
    }

    /// One step: `grad` `[elements]` is already averaged and clipped; `params` receives the result.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn update(
        &mut self,
        options: &AdamW,
        learning_rate: f64,
        grad: &Tensor,
        params: &mut Tensor,
    ) -> Result<()> {
        let _guard = tch::no_grad_guard();
        self.step += 1;
        let t = self.step as i32;
        let correction1 = 1.0 - options.beta1.powi(t);
        let correction2 = 1.0 - options.beta2.powi(t);
        let _ = self.moment1.f_lerp_(grad, 1.0 - options.beta1)?;
        let _ = self.moment2.f_mul_scalar_(options.beta2)?;
        let mut square = grad.f_mul(grad)?;
        let _ = self
            .moment2
            .f_add_(&square.f_mul_scalar_(1.0 - options.beta2)?)?;
        let mut denominator = self.moment2.f_sqrt()?;
        let _ = denominator
            .f_div_scalar_(correction2.sqrt())?
            .f_add_scalar_(options.eps)?;
        let mut change = self.moment1.f_div(&denominator)?;
        let _ = change.f_mul_scalar_(learning_rate / correction1)?;
        let _ = self
            .master
            .f_mul_scalar_(1.0 - learning_rate * options.weight_decay)?;
        let _ = self.master.f_sub_(&change)?;
        // A young average follows faster, so that it is not stuck at the random start.
        let decay = options
            .ema_decay
            .min((1.0 + f64::from(t)) / (10.0 + f64::from(t)));
        let _ = self.ema.f_lerp_(&self.master, 1.0 - decay)?;
        params.f_copy_(&self.master)?;
        Ok(())
    }

    /// Writes the state to a safetensors file, atomically; `layout` says which parameter lies where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path, layout: &str) -> Result<()> {
        let tensors = [
            ("master", &self.master),
            ("moment1", &self.moment1),
            ("moment2", &self.moment2),
            ("ema", &self.ema),
        ]
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
        let metadata = [
            ("step", self.step.to_string()),
            ("layout", layout.to_owned()),
        ];
        save(path, &tensors, &metadata)
    }

    /// Reads what [`AdamWState::save`] wrote, into this state's own tensors.
    ///
    /// # Errors
    /// The file is damaged or belongs to another model.
    pub fn load(&mut self, path: &Path, layout: &str, device: Device) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let file = SafetensorsFile::open(path)?;
        let other = || {
            let problem = "is the training state of another model; use another folder";
            crate::EngineError::bad_file(path, problem)
        };
        if file.metadata().get("layout").is_none_or(|l| l != layout) {
            return Err(other());
        }
        let targets = [
            ("master", &mut self.master),
            ("moment1", &mut self.moment1),
            ("moment2", &mut self.moment2),
            ("ema", &mut self.ema),
        ];
        for (name, target) in targets {
            let read = file.tensor(name, Kind::Float, device)?.ok_or_else(other)?;
            if read.size() != target.size() {
                return Err(other());
            }
            target.f_copy_(&read)?;
        }
        self.step = file
            .metadata()
            .get("step")
            .and_then(|s| s.parse().ok())
            .ok_or_else(other)?;
        Ok(())
    }
}
