//! Training: flat parameters, AdamW, averages, learning-rate schedules, data-parallel workers.

mod clock;
mod flat;
mod frozen;
mod learning_rate;
mod optimizer;
mod train_loop;
mod worker;

pub use flat::{FlatParams, shallow};
pub use frozen::FrozenModel;
pub use learning_rate::LearningRate;
pub use optimizer::{AdamW, AdamWState};
pub use train_loop::{Replica, StepReport, TrainLoop, TrainOptions, Trained, Watch};
