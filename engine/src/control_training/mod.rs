//! From prompts or pictures to a control's file: trains it, shows strips of pictures meanwhile, saves it with
//! everything that tells how it was made.

mod att_adapter;
mod direction;
mod pictures;
mod plan;
mod request;
pub(crate) mod session;
mod slider;
pub(crate) mod strip;
mod value;
pub(crate) mod work;

#[cfg(test)]
mod picture_tests;

pub use att_adapter::{AttAdapterOptions, train_att_adapter};
pub use direction::{DirectionMethod, LearnedDirection, train_direction};
pub use pictures::PictureRequest;
pub use plan::{
    AdapterPlan, DirectionPlan, PicturePlan, PictureSource, Places, PromptPlan, SliderPlan,
    TrainingMethod, TrainingPlan, TrainingTask, ValuePlan, checked_name, in_shell,
};
pub use request::{Schedule, TrainingEnd, TrainingNews, TrainingRequest};
pub use slider::train_slider;
pub use value::{NamedQuantity, ValueOptions, train_value};
pub use work::saved_step;
