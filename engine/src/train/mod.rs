//! Training: flat parameters, AdamW, averages, learning-rate schedules, data-parallel workers, and
//! the controls that are trained beside a frozen model.

pub mod direction;
pub mod slider;

mod clock;
mod flat;
mod frozen;
mod lanes;
mod learning_rate;
mod optimizer;
mod train_loop;
mod walk;
mod worker;

pub use flat::{FlatParams, shallow};
pub use frozen::FrozenModel;
pub use learning_rate::LearningRate;
pub use optimizer::{AdamW, AdamWState};
pub use train_loop::{Replica, StepReport, TrainLoop, TrainOptions, Trained, Watch};
pub use walk::Walk;
