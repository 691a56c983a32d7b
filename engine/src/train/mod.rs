//! Training: flat parameters, AdamW, averages, learning-rate schedules, data-parallel workers, and
//! the controls that are trained beside a frozen model.

pub mod att_adapter;
pub mod direction;
pub mod folder;
pub mod personal;
pub mod slider;
pub mod value;

mod captions;
mod clock;
mod diffusion;
mod flat;
mod frozen;
mod lanes;
mod learning_rate;
mod optimizer;
mod random;
mod train_loop;
mod training_set;
mod verdict;
mod walk;
mod worker;

#[cfg(test)]
mod tests;

pub use diffusion::{DiffusionLoss, Noised};
pub use flat::{FlatParams, shallow};
pub use frozen::FrozenModel;
pub use learning_rate::LearningRate;
pub use optimizer::{AdamW, AdamWState};
pub use train_loop::{Replica, StepReport, TrainLoop, TrainOptions, Trained, Watch};
pub(crate) use training_set::TrainingSet;
pub use verdict::Verdict;
pub(crate) use verdict::{Judged, judge};
pub use walk::Walk;

use tch::Tensor;

use crate::{EngineError, Result};

/// Sets `parameters` to the tensors of the same names in `values`.
pub(crate) fn load_parameters(
    parameters: &[(String, Tensor)],
    values: &[(String, Tensor)],
) -> Result<()> {
    let _guard = tch::no_grad_guard();
    for (name, parameter) in parameters {
        let Some((_, value)) = values.iter().find(|(n, _)| n == name) else {
            return Err(EngineError::request(name, "was not trained"));
        };
        parameter.shallow_clone().f_copy_(value)?;
    }
    Ok(())
}
