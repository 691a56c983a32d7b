//! Training: flat parameters, AdamW, averages, learning-rate schedules, data-parallel workers.

mod flat;
mod learning_rate;
mod optimizer;
mod workers;

pub use flat::{FlatParams, shallow};
pub use learning_rate::LearningRate;
pub use optimizer::{AdamW, AdamWState};
pub use workers::{Replica, StepReport, TrainLoop, TrainOptions};
