//! Folders of other programs whose models, LoRAs, embeddings, upscalers, ControlNets and picture
//! prompts are used where they lie.

mod layout;
mod list;

pub use layout::{Places, places_in};
pub use list::FolderList;
