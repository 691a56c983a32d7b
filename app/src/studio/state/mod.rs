//! The studio without its window: what is on the bench, what is being made, what was made.
//!
//! Nothing here draws. The window shows it and asks for changes; tests drive it the same way.

mod adapters;
mod cells;
mod contact_sheet;
mod controlnets;
mod edit;
mod library;
mod live;
mod live_notes;
mod picture_prompts;
mod pictures;
mod pixel_memory;
mod queue;
mod rack;
mod studio;
mod subjects;
mod sweep;
mod talk;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
mod toasts;
pub mod training;

pub use adapters::{AdapterQuestion, AdapterRow};
pub use cells::{Cell, Cells};
pub use contact_sheet::{ContactSheet, ContactSheets, SheetSize, control_name};
pub use controlnets::{ControlNetRow, MapFor};
pub use edit::{
    BRUSH_RADIUS_RANGE_PX, ChangedThing, Covered, EditOutcome, EditRoom, EditShows,
    FEATHER_RANGE_PX, GROW_RANGE_PX, Layer, ShownMask, Stroke, Tool, USUAL_GAIN, USUAL_PADDING_PX,
};
pub use library::{ModelItem, Previews, is_match, list_models, searched_text};
pub use live::{Live, LiveStep};
use live_notes::LiveNotes;
pub use picture_prompts::PictureRow;
pub(crate) use pictures::reduced;
pub use pictures::{BenchPictures, Made, NewPicture, ResultItem};
pub use queue::{JobKind, Progress, Queue, QueuedJob, RunningJob};
pub use rack::{RackGroup, SliderSpec, in_words, rack};
pub use studio::{Comparison, LoadedModel, ModelState, Preview, Shown, Studio};
pub use subjects::{Nouns, Subject, word_at};
pub use sweep::{Axis, AxisField, Sweep};
pub use talk::{Exchange, Talk};
pub use timeline::Timeline;
pub use toasts::{Toast, ToastKind, Toasts};
pub use training::{
    ColumnCheck, Filling, Losses, Run, RunRecord, RunState, Sheet, SheetRow, Training,
    TrainingForm, TrainingKind, TrainingPlaces,
};
pub use vernier_engine::project::{Bench, ControlKey};
