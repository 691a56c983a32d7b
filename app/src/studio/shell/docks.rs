//! Panes that can be moved about.

use egui::{Ui, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, Tabs, Tile, TileId, Tiles, Tree,
    UiResponse,
};
use serde::{Deserialize, Serialize};

use crate::studio::theme::Tokens;

/// A part of the window that can be docked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pane {
    /// The picture.
    Canvas,
    /// Sliders.
    Controls,
    /// Models and controls at hand.
    Library,
    /// The rest of the recipe.
    Settings,
    /// Kept pictures.
    Filmstrip,
    /// What runs and waits.
    Queue,
}

impl Pane {
    const ALL: [Self; 6] = [
        Self::Canvas,
        Self::Controls,
        Self::Library,
        Self::Settings,
        Self::Filmstrip,
        Self::Queue,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Canvas => "Picture",
            Self::Controls => "Controls",
            Self::Library => "Library",
            Self::Settings => "Recipe",
            Self::Filmstrip => "History",
            Self::Queue => "Queue",
        }
    }
}

/// Where each pane is.
pub(crate) struct Docks {
    tree: Tree<Pane>,
}

impl Default for Docks {
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let canvas = tiles.insert_pane(Pane::Canvas);
        let controls = tiles.insert_pane(Pane::Controls);
        let library = tiles.insert_pane(Pane::Library);
        let settings = tiles.insert_pane(Pane::Settings);
        let filmstrip = tiles.insert_pane(Pane::Filmstrip);
        let queue = tiles.insert_pane(Pane::Queue);
        let mut tabs = Tabs::new(vec![controls, library]);
        tabs.set_active(controls);
        let controls = tiles.insert_container(Container::Tabs(tabs));
        let mut split = |direction, shares: [(TileId, f32); 2]| {
            let mut linear = Linear::new(direction, shares.map(|(id, _)| id).to_vec());
            for (id, share) in shares {
                linear.shares.set_share(id, share);
            }
            tiles.insert_container(Container::Linear(linear))
        };
        let right = split(LinearDir::Vertical, [(controls, 0.66), (settings, 0.34)]);
        let top = split(LinearDir::Horizontal, [(canvas, 0.72), (right, 0.28)]);
        let bottom = split(LinearDir::Horizontal, [(filmstrip, 0.72), (queue, 0.28)]);
        let root = split(LinearDir::Vertical, [(top, 0.8), (bottom, 0.2)]);
        Self {
            tree: Tree::new(egui::Id::unique("docks"), root, tiles),
        }
    }
}

impl Docks {
    /// The arrangement as a project or settings file holds it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.tree).unwrap_or_default()
    }

    /// An arrangement read back; the usual one where it does not hold each pane once.
    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        let read: Option<Tree<Pane>> = serde_json::from_value(value.clone()).ok();
        let read = read.map(with_library);
        let is_whole = |tree: &Tree<Pane>| {
            Pane::ALL.iter().all(|pane| {
                let is_it = |tile: &&Tile<Pane>| matches!(tile, Tile::Pane(p) if p == pane);
                tree.tiles.tiles().filter(is_it).count() == 1
            })
        };
        match read.filter(is_whole) {
            Some(tree) => Self { tree },
            None => Self::default(),
        }
    }

    /// Brings a pane before those that share its place.
    pub(crate) fn bring_forward(&mut self, pane: Pane) {
        self.tree
            .make_active(|_, tile| matches!(tile, Tile::Pane(own) if *own == pane));
    }

    /// Draws every pane by `draw`.
    pub(crate) fn show(&mut self, ui: &mut Ui, draw: impl FnMut(&mut Ui, Pane)) {
        self.tree.ui(&mut Drawing { draw }, ui);
    }
}

/// Arrangements of older programs have no library: it goes beside the sliders.
fn with_library(mut tree: Tree<Pane>) -> Tree<Pane> {
    if tree.tiles.find_pane(&Pane::Library).is_none()
        && let Some(controls) = tree.tiles.find_pane(&Pane::Controls)
        && let Some(parent) = tree.tiles.parent_of(controls)
        && matches!(tree.tiles.get_container(parent), Some(Container::Tabs(_)))
    {
        let library = tree.tiles.insert_pane(Pane::Library);
        if let Some(Tile::Container(Container::Tabs(tabs))) = tree.tiles.get_mut(parent) {
            tabs.children.push(library);
        }
    }
    tree
}

struct Drawing<F> {
    draw: F,
}

impl<F: FnMut(&mut Ui, Pane)> Behavior<Pane> for Drawing<F> {
    fn pane_ui(&mut self, ui: &mut Ui, _: TileId, pane: &mut Pane) -> UiResponse {
        let tokens = Tokens::in_ui(ui);
        ui.painter().rect_filled(ui.max_rect(), 0.0, tokens.panel);
        if *pane == Pane::Canvas {
            (self.draw)(ui, *pane);
        } else {
            let margin = crate::studio::theme::space::M as i8;
            egui::Frame::NONE
                .inner_margin(egui::Margin::symmetric(margin, margin / 2))
                .show(ui, |ui| (self.draw)(ui, *pane));
        }
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.title().into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            // A title to take hold of.
            all_panes_must_have_tabs: true,
            ..SimplificationOptions::default()
        }
    }

    fn gap_width(&self, _: &egui::Style) -> f32 {
        2.0
    }

    fn min_size(&self) -> f32 {
        96.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrangement_is_read_back_and_a_broken_one_is_not() {
        let docks = Docks::default();
        let json = docks.to_json();
        assert_eq!(Docks::from_json(&json).to_json(), json);
        let usual = Docks::from_json(&serde_json::json!({"root": 3}));
        assert_eq!(usual.tree.tiles.len(), docks.tree.tiles.len());
    }
}
