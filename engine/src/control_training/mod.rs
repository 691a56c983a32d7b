//! From prompts to a control's file: trains it, shows strips of pictures meanwhile, saves it with
//! everything that tells how it was made.

mod direction;
mod request;
mod session;
mod slider;
mod strip;
mod work;

pub use direction::{DirectionMethod, LearnedDirection, train_direction};
pub use request::{Schedule, TrainingEnd, TrainingNews, TrainingRequest};
pub use slider::train_slider;
