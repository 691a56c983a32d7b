//! How the window starts.

use std::path::PathBuf;

use vernier_engine::controls::ControlLibrary;
use vernier_engine::device::DeviceRequest;
use vernier_engine::places::FolderList;
use vernier_engine::service::RenderOptions;

use super::Anew;
use crate::assets;
use crate::studio::keeper::ControlPlaces;
use crate::studio::settings::Settings;

/// Model calls from one look at the latents to the next.
const PREVIEW_EVERY: u32 = 2;

/// How the window starts.
#[derive(Debug, Clone)]
pub struct StudioOptions {
    /// How pictures are made; whether a quick one comes first is the studio's matter.
    pub engine: RenderOptions,
    /// A project, recipe or picture to open.
    pub open: Option<PathBuf>,
    /// Where settings are read and kept; `None` keeps none.
    pub settings: Option<PathBuf>,
    /// Where projects lie that nobody has given a place; `None` keeps none.
    pub unsaved: Option<PathBuf>,
    /// Where trained and calibrated controls go; `None` keeps calibrated ones where they are and
    /// trains none.
    pub own_controls: Option<PathBuf>,
    /// The artist's list of further folders, of other programs or of models; `None` has none.
    pub folder_list: Option<FolderList>,
    /// The artist's own models; `None` looks only in the folders of the list.
    pub own_models: Option<PathBuf>,
    /// Where controls go that came in a project; `None` leaves them in there.
    pub project_controls: Option<PathBuf>,
    /// Where adapters and embeddings go that came in a project; `None` leaves them in there.
    pub project_adapters: Option<PathBuf>,
    /// Where trainings have their work folders; `None` trains nothing.
    pub trainings: Option<PathBuf>,
    /// Whether the picture follows from the start; `None` is as the settings say.
    pub live: Option<bool>,
    /// Where the window says that it is to be opened anew.
    pub anew: Anew,
    /// Whether it takes the place of one that was lost.
    pub is_reopened: bool,
}

impl StudioOptions {
    /// Nothing opened and nothing kept, with the embedded model and the controls at hand.
    pub fn plain() -> Self {
        Self {
            engine: RenderOptions {
                preview_every: Some(PREVIEW_EVERY),
                ..assets::render_options(DeviceRequest::Auto)
            },
            open: None,
            settings: None,
            unsaved: None,
            own_controls: None,
            folder_list: None,
            own_models: None,
            project_controls: None,
            project_adapters: None,
            trainings: None,
            live: None,
            anew: Anew::default(),
            is_reopened: false,
        }
    }

    /// Controls that travel inside projects.
    pub(super) fn control_places(&self) -> ControlPlaces {
        let own = self.own_controls.iter().chain(&self.project_controls);
        ControlPlaces {
            own: ControlLibrary::new(own.cloned().collect()),
            from_projects: self.project_controls.clone(),
            adapters: self.engine.adapters.clone(),
            adapters_from_projects: self.project_adapters.clone(),
        }
    }

    /// What the artist finds: settings and unsaved projects of the user who runs the program.
    pub(crate) fn usual(open: Option<PathBuf>) -> Self {
        Self {
            open,
            settings: Settings::usual_path(),
            unsaved: assets::unsaved_projects(),
            own_controls: assets::user_controls(),
            folder_list: FolderList::usual(),
            own_models: assets::user_models(),
            project_controls: assets::project_controls(),
            project_adapters: assets::project_adapters(),
            trainings: assets::trainings(),
            ..Self::plain()
        }
    }
}
