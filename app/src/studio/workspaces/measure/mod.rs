//! How far each control can be trusted, and what it disturbs.

mod contact_sheet;

use std::path::Path;

use egui::{Button, DragValue, Grid, Panel, ProgressBar, RichText, ScrollArea, TextEdit, Ui};
use egui_plot::{FilledArea, Line, Plot, PlotPoints, Span, VLine};
use vernier_engine::controls::{Calibration, FoundControl};
use vernier_engine::recipe::ControlUse;

use self::contact_sheet::contact_sheet;
use super::Workspace;
use crate::studio::panes::{fraction, progress_text};
use crate::studio::state::{JobKind, SheetSize, Studio, control_name, in_words};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::PictureTextures;

/// What the workspace remembers between frames.
pub(crate) struct MeasureView {
    search: String,
    chosen: Option<String>,
    prompts: usize,
    seeds: u64,
    sheet: SheetSize,
    textures: PictureTextures,
}

impl MeasureView {
    /// Shows the control `name`.
    pub(crate) fn choose(&mut self, name: String) {
        self.search.clear();
        self.textures.clear();
        self.chosen = Some(name);
    }
}

impl Default for MeasureView {
    fn default() -> Self {
        Self {
            search: String::new(),
            chosen: None,
            prompts: 6,
            seeds: 2,
            sheet: SheetSize::default(),
            textures: PictureTextures::default(),
        }
    }
}

/// Draws the workspace; calibrated controls go into the folder `own`. A picture whose recipe is taken
/// onto the bench is gone on with in [`Workspace::Generate`].
pub(crate) fn measure_workspace(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut MeasureView,
    workspace: &mut Workspace,
    own: Option<&Path>,
) {
    Panel::left("controls at hand")
        .default_size(270.0)
        .show(ui, |ui| {
            ui.add_space(space::S);
            let search = TextEdit::singleline(&mut view.search).hint_text("search controls");
            ui.add(search.desired_width(f32::INFINITY))
                .accessible_name("search controls");
            list(ui, studio, view);
        });
    egui::CentralPanel::default_margins().show(ui, |ui| {
        let chosen = view.chosen.as_ref();
        let found = chosen.and_then(|name| studio.controls().iter().find(|c| c.info.name == *name));
        match found.cloned() {
            Some(found) => {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    one(ui, studio, view, workspace, (&found, own));
                });
            }
            None => {
                ui.weak("Choose a control to see how it responds");
            }
        }
    });
}

fn list(ui: &mut Ui, studio: &Studio, view: &mut MeasureView) {
    let tokens = Tokens::in_ui(ui);
    let search = view.search.to_lowercase();
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        if studio.controls().is_empty() {
            ui.weak("There are no controls yet; Train makes them");
        }
        for found in studio.controls() {
            let info = &found.info;
            let text = format!("{} {} {}", info.name, info.attributes.join(" "), info.about);
            if !text.to_lowercase().contains(&search) {
                continue;
            }
            let is_chosen = view.chosen.as_ref() == Some(&info.name);
            if ui.add(Button::selectable(is_chosen, &info.name)).clicked() {
                view.textures.clear();
                view.chosen = Some(info.name.clone());
            }
            let measured = match (info.calibrations.len(), info.attributes.len().max(1)) {
                (0, _) => "not calibrated".to_owned(),
                (some, all) if some < all => format!("{some} of {all} calibrated"),
                _ => "calibrated".to_owned(),
            };
            let line = format!("{}, {measured}", info.kind.label());
            ui.label(RichText::new(line).small().color(tokens.text_weak));
        }
    });
}

fn one(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut MeasureView,
    workspace: &mut Workspace,
    (found, own): (&FoundControl, Option<&Path>),
) {
    let info = &found.info;
    ui.heading(&info.name);
    if !info.about.is_empty() {
        ui.label(&info.about);
    }
    let whom = if info.subjects.is_empty() {
        "the whole picture".to_owned()
    } else {
        info.subjects.join(", ")
    };
    ui.weak(format!("{} for {whom}", info.kind.label()));
    ui.weak(found.path.display().to_string());
    ui.add_space(space::M);
    let attributes: Vec<String> = match info.attributes.as_slice() {
        [] => vec![info.name.clone()],
        some => some.to_vec(),
    };
    calibrate_row(ui, studio, view, found, &attributes, own);
    for attribute in &attributes {
        ui.add_space(space::L);
        ui.label(semibold(in_words(attribute)));
        contact_sheet(ui, studio, view, workspace, (info, attribute));
        ui.add_space(space::S);
        match info.calibrations.get(attribute) {
            Some(calibration) => measured(ui, &info.name, attribute, calibration),
            None => {
                ui.weak("was never measured");
            }
        }
    }
}

fn calibrate_row(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut MeasureView,
    found: &FoundControl,
    attributes: &[String],
    own: Option<&Path>,
) {
    ui.horizontal(|ui| {
        ui.label("on");
        ui.add(DragValue::new(&mut view.prompts).range(1..=100))
            .accessible_name("number of prompts");
        ui.label("prompts ×");
        ui.add(DragValue::new(&mut view.seeds).range(1..=100))
            .accessible_name("number of seeds");
        ui.label("seeds");
        let button = ui.add_enabled(studio.calibrating().is_none(), Button::new("Calibrate"));
        let help = "Renders and reads pictures until the reliable range is known; the picture does \
                    not follow sliders meanwhile";
        if button.on_hover_text(help).clicked() {
            let file = found.path.file_name();
            let out = own.zip(file).map(|(folder, file)| folder.join(file));
            for attribute in attributes {
                let name = control_name(&found.info, attribute);
                let control = ControlUse::new(name, None, 0.0);
                studio.calibrate(control, out.clone(), view.prompts, view.seeds);
            }
        }
    });
    calibrating_row(ui, studio);
}

/// The calibration that is at work, whatever control it is of.
fn calibrating_row(ui: &mut Ui, studio: &mut Studio) {
    let Some(name) = studio.calibrating().map(in_words) else {
        return;
    };
    ui.horizontal(|ui| {
        ui.spinner();
        let running = studio.queue().running();
        let running = running.filter(|running| running.job.kind == JobKind::Measure);
        ui.label(match running {
            Some(running) if running.is_cancelled => format!("{name}: stopping"),
            Some(_) => format!("{name} is being calibrated"),
            None => format!("{name} waits to be calibrated"),
        });
        if let Some(running) = running {
            let bar = ProgressBar::new(fraction(running)).desired_width(220.0);
            ui.add(bar.text(RichText::new(progress_text(running)).small()));
        }
        let cancel = ui.button("Cancel").accessible_name("cancel calibration");
        let help = "Stops before the next step; the control's file stays as it is";
        if cancel.on_hover_text(help).clicked() {
            studio.cancel_calibrations();
        }
    });
}

fn measured(ui: &mut Ui, control: &str, attribute: &str, calibration: &Calibration) {
    let tokens = Tokens::in_ui(ui);
    ui.horizontal_top(|ui| {
        ui.vertical(|ui| {
            let xs: Vec<f64> = calibration.response.iter().map(|p| p.raw).collect();
            let edge = |sign: f64| -> Vec<f64> {
                let points = calibration.response.iter();
                points.map(|p| p.mean + sign * p.std).collect()
            };
            let mean: PlotPoints<'_> = calibration
                .response
                .iter()
                .map(|p| [p.raw, p.mean])
                .collect();
            let (low, high) = (calibration.raw_low, calibration.raw_high);
            Plot::new(("response", control, attribute))
                .width(420.0)
                .height(230.0)
                .include_y(0.0)
                .include_y(1.0)
                .allow_scroll(false)
                .x_axis_label("raw setting")
                .y_axis_label("reading")
                .show(ui, |plot| {
                    let band = Span::new("reliable", low.min(high)..=low.max(high));
                    plot.span(band.fill(tokens.band.gamma_multiply(0.35)));
                    let spread = FilledArea::new("spread", &xs, &edge(-1.0), &edge(1.0));
                    plot.add(spread.fill_color(tokens.accent.gamma_multiply(0.18)));
                    plot.line(
                        Line::new("mean reading", mean)
                            .color(tokens.accent)
                            .width(2.0),
                    );
                    let rest = VLine::new("neutral", calibration.neutral_raw);
                    plot.vline(rest.color(tokens.text_weak));
                });
        });
        ui.vertical(|ui| figures(ui, calibration, tokens));
    });
}

fn figures(ui: &mut Ui, calibration: &Calibration, tokens: Tokens) {
    Grid::new("figures").num_columns(2).show(ui, |ui| {
        let c = calibration;
        let reading = |raw: f64| c.expected(raw).unwrap_or(0.0);
        let rows = [
            (
                "reliable range",
                format!("{:.2} to {:.2} raw", c.raw_low, c.raw_high),
            ),
            (
                "moves the reading",
                format!("{:.2} to {:.2}", reading(c.raw_low), reading(c.raw_high)),
            ),
            ("rank correlation", format!("{:.2}", c.spearman)),
            ("R² along the scale", format!("{:.2}", c.r_squared)),
            ("spread", format!("±{:.2}", c.spread)),
            (
                "measured on",
                format!("{} prompts × {} seeds", c.prompts, c.seeds),
            ),
            ("by", c.meter.clone()),
        ];
        for (name, value) in rows {
            ui.label(RichText::new(name).color(tokens.text_weak));
            ui.label(value);
            ui.end_row();
        }
        if let Some(other) = calibration.other_subject {
            ui.label(RichText::new("the other subject").color(tokens.text_weak));
            ui.label(format!("{:.0} % of the change", other * 100.0));
            ui.end_row();
        }
        let mut effects: Vec<(&String, &f64)> = calibration.side_effects.iter().collect();
        effects.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        for (name, change) in effects.into_iter().take(5) {
            ui.label(RichText::new(format!("also {}", in_words(name))).color(tokens.text_weak));
            let text = RichText::new(format!("{:.0} %", change.abs() * 100.0));
            ui.label(if change.abs() > 0.08 {
                text.color(tokens.caution)
            } else {
                text
            });
            ui.end_row();
        }
    });
}
