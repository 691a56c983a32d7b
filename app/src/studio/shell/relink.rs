//! Models of a project that are no longer where they were.

use std::path::PathBuf;

use egui::{Id, Modal, RichText, TextEdit, Ui};

use super::browser::Browser;
use super::dialogs::Asked;
use crate::studio::state::ModelItem;
use crate::studio::theme::{Tokens, semibold, space};

/// A model that is looked for.
struct Missing {
    name: String,
    was_at: String,
    answer: String,
    browser: Browser,
}

/// The window that asks where models are.
#[derive(Default)]
pub(crate) struct Relink {
    missing: Vec<Missing>,
}

/// Where a model lies now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relinked {
    /// Its name in recipes.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) path: PathBuf,
}

impl Relink {
    /// Asks for the models called and last seen as `missing`.
    pub(crate) fn ask(&mut self, missing: impl IntoIterator<Item = (String, String)>) {
        let all = missing.into_iter().map(|(name, was_at)| Missing {
            name,
            was_at,
            answer: String::new(),
            browser: Browser::default(),
        });
        self.missing = all.collect();
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Draws it; gives what was found once the artist is done. A model of the library with the
    /// same name is offered.
    pub(crate) fn show(&mut self, ui: &Ui, library: &[ModelItem]) -> Vec<Relinked> {
        if self.missing.is_empty() {
            return Vec::new();
        }
        let tokens = Tokens::in_ui(ui);
        let mut is_done = false;
        let mut is_skipped = false;
        let modal = Modal::new(Id::unique("relink")).show(ui.ctx(), |ui| {
            ui.set_width(520.0);
            ui.heading("Where are these models?");
            let help = "The project names models that are no longer where they were. Pictures that \
                        were made stay; what is without its model cannot be rendered.";
            ui.label(RichText::new(help).color(tokens.text_weak));
            for missing in &mut self.missing {
                ui.add_space(space::M);
                one(ui, missing, library, tokens);
            }
            ui.add_space(space::L);
            ui.horizontal(|ui| {
                let is_any = self.missing.iter().any(|m| !m.answer.trim().is_empty());
                let relink = ui.add_enabled(is_any, egui::Button::new("Relink"));
                is_done = relink.clicked();
                is_skipped = ui.button("Not now").clicked();
            });
        });
        if !is_done && !is_skipped && !modal.should_close() {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.missing).into_iter();
        let answered = all.filter(|m| is_done && !m.answer.trim().is_empty());
        answered
            .map(|m| Relinked {
                path: PathBuf::from(m.answer.trim()),
                name: m.name,
            })
            .collect()
    }
}

fn one(ui: &mut Ui, missing: &mut Missing, library: &[ModelItem], tokens: Tokens) {
    if let Some(path) = missing.browser.take_answer() {
        missing.answer = path;
    }
    let name = semibold(&missing.name);
    ui.label(name);
    let was_at = format!("was at {}", missing.was_at);
    ui.label(RichText::new(was_at).small().color(tokens.text_weak));
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut missing.answer).hint_text("path of its folder");
        let field = ui.add(field.desired_width(ui.available_width() - 90.0));
        field.accessible_name(format!("folder of {}", missing.name));
        let button = ui.add_enabled(!missing.browser.is_open(), egui::Button::new("Browse…"));
        let button = button.accessible_name(format!("browse for {}", missing.name));
        if button.clicked() {
            let asked = Asked::ModelFolder;
            missing.browser.open(asked, &missing.answer, ui.ctx());
        }
    });
    let mut alike = library.iter().filter(|item| item.about.is_ok());
    if let Some(item) = alike.find(|item| item.model.name == missing.name) {
        let path = item.path.to_string_lossy().into_owned();
        let offer = egui::Button::new(RichText::new(format!("It is at {path}")).small());
        if missing.answer != path && ui.add(offer).clicked() {
            missing.answer = path;
        }
    }
}
