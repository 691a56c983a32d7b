//! AdamW (arXiv 1711.05101) over flat buffers, with fp32 masters and an exponential moving average.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::weights::{SafetensorsFile, save};
use crate::{EngineError, Result};

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
            let problem = "is not the training state of this model; use another work folder";
            EngineError::bad_file(path, problem)
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
        let step = file.metadata().get("step").ok_or_else(other)?;
        self.step = step.parse().map_err(|_| other())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::{self, OptimizerConfig};
    use tch::{Device, Kind, Tensor};

    use super::{AdamW, AdamWState};

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.detach()).unwrap()
    }

    #[test]
    fn the_first_step_is_the_one_worked_out_by_hand() {
        let mut params = Tensor::from_slice(&[2.0_f32, -1.0]);
        let mut state = AdamWState::new(&params).unwrap();
        let options = AdamW {
            weight_decay: 0.1,
            ema_decay: 0.999,
            ..AdamW::default()
        };
        let grad = Tensor::from_slice(&[0.5_f32, -3.0]);
        state.update(&options, 0.01, &grad, &mut params).unwrap();
        // Decay: p (1 - 0.01 · 0.1). Both moments' corrections undo their decay at the first step,
        // so the change is the gradient's sign times the learning rate.
        let want = [2.0 * 0.999 - 0.01, -0.999 + 0.01];
        for (got, want) in values(&params).iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
        }
        // At step 1 the average's decay is 2/11, whatever was asked for.
        let start = [2.0, -1.0];
        for ((got, start), want) in values(&state.ema).iter().zip(start).zip(want) {
            let want = start + (1.0 - 2.0 / 11.0) * (want - start);
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
        }
    }

    #[test]
    fn many_steps_agree_with_torchs_own_adamw() {
        tch::manual_seed(3);
        let options = AdamW {
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: 0.05,
            ..AdamW::default()
        };
        let start = Tensor::randn([50], (Kind::Float, Device::Cpu));
        let vars = nn::VarStore::new(Device::Cpu);
        let mut theirs = vars.root().zeros("params", &[50]);
        tch::no_grad(|| theirs.copy_(&start));
        let mut optimizer = nn::AdamW {
            beta1: options.beta1,
            beta2: options.beta2,
            wd: options.weight_decay,
            eps: options.eps,
            amsgrad: false,
        }
        .build(&vars, 1e-2)
        .unwrap();
        let mut ours = start.copy();
        let mut state = AdamWState::new(&ours).unwrap();
        for step in 0..12 {
            let grad = Tensor::randn([50], (Kind::Float, Device::Cpu));
            let rate = 1e-2 / f64::from(step + 1);
            optimizer.set_lr(rate);
            optimizer.backward_step(&(&theirs * &grad).sum(Kind::Float));
            state.update(&options, rate, &grad, &mut ours).unwrap();
        }
        let difference = (&ours - &theirs).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
        assert!((&ours - &start).abs().max().double_value(&[]) > 1e-3);
    }

    #[test]
    fn the_average_settles_at_its_decay() {
        let mut params = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        let mut state = AdamWState::new(&params).unwrap();
        state.step = 1_000_000;
        let _ = state.master.fill_(1.0);
        let options = AdamW {
            ema_decay: 0.9,
            weight_decay: 0.0,
            ..AdamW::default()
        };
        let none = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        for _ in 0..3 {
            state.update(&options, 0.1, &none, &mut params).unwrap();
        }
        // The parameter stays at 1, the average goes from 0 to 1 - 0.9³.
        assert_eq!(values(&params), [1.0]);
        assert!((values(&state.ema)[0] - 0.271).abs() < 1e-6);
    }

    #[test]
    fn low_precision_parameters_follow_their_fp32_master() {
        let mut params = Tensor::from_slice(&[1.0_f32]).to_kind(Kind::BFloat16);
        let mut state = AdamWState::new(&params).unwrap();
        let options = AdamW {
            weight_decay: 0.0,
            ..AdamW::default()
        };
        // A step of 1e-4 is lost in bf16 near 1; ten of them in the master are not.
        for _ in 0..40 {
            let grad = Tensor::from_slice(&[-1.0_f32]);
            state.update(&options, 1e-4, &grad, &mut params).unwrap();
        }
        assert!((values(&state.master)[0] - 1.004).abs() < 1e-5);
        assert!(params.double_value(&[0]) > 1.0);
    }

    #[test]
    fn a_stored_state_comes_back_and_another_models_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let mut params = Tensor::from_slice(&[1.0_f32, 2.0]);
        let mut state = AdamWState::new(&params).unwrap();
        let grad = Tensor::from_slice(&[0.3_f32, -0.7]);
        state
            .update(&AdamW::default(), 0.1, &grad, &mut params)
            .unwrap();
        state.save(&path, "w[2]").unwrap();

        let fresh = || AdamWState::new(&Tensor::zeros([2], (Kind::Float, Device::Cpu))).unwrap();
        let mut read = fresh();
        read.load(&path, "w[2]", Device::Cpu).unwrap();
        assert_eq!(read.step, 1);
        for (a, b) in [
            (&read.master, &state.master),
            (&read.moment1, &state.moment1),
            (&read.moment2, &state.moment2),
            (&read.ema, &state.ema),
        ] {
            assert_eq!(values(a), values(b));
        }
        let error = fresh().load(&path, "v[2]", Device::Cpu).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains("state.safetensors"), "{sentence}");
        assert!(sentence.ends_with("use another work folder"), "{sentence}");
    }
}
