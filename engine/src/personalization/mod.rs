//! From a few pictures to a file that other programs read too: a LoRA of a subject or a style, a
//! word for it, or new keys and values of the attention to the text.
//!
//! The training itself goes through the loop of [`train`](crate::train); this is what stands around
//! it: the pictures, the estimate, samples meanwhile, and the file with everything that tells how
//! it was made.

mod class_pictures;
mod metadata;
mod output;
mod request;
mod samples;
mod session;
mod settings;

pub use request::{ClassPlan, PersonalEnd, PersonalOutput, PersonalRequest};
pub use session::personalize;
