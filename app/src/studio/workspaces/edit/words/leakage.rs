//! What an edit by words changed that nobody asked to change.

use egui::{Grid, RichText, Ui};
use vernier_engine::measure::OutsideChange;

use crate::studio::state::{EditOutcome, EditShows, Studio, USUAL_GAIN};
use crate::studio::theme::{Tokens, space};
use crate::studio::workspaces::edit::side::{percent, section};

/// Draws what is known of the shown edit.
pub(super) fn leakage_ui(ui: &mut Ui, studio: &mut Studio, tokens: Tokens) {
    section(ui, "Leakage");
    let Some(outcome) = studio.edit_outcome() else {
        let text = if studio.edit_problem().is_some() {
            "It is told once the changes can be made."
        } else if studio.is_live() {
            "It is told when the picture is finished."
        } else {
            "It is told once the edit is rendered."
        };
        ui.label(RichText::new(text).small().color(tokens.text_weak));
        return;
    };
    let leakage = &outcome.report.leakage;
    ui.label(RichText::new("Outside of all places, against the source:").small());
    let grid = Grid::new("leakage").num_columns(5).min_row_height(0.0);
    grid.spacing([space::L, space::XS]).show(ui, |ui| {
        for title in ["", "mean", "max", "PSNR", "SSIM"] {
            ui.label(RichText::new(title).small().color(tokens.text_weak));
        }
        ui.end_row();
        row(ui, "as drawn", &leakage.before);
        row(ui, "put back", &leakage.after);
    });
    ui.label(RichText::new("Where things change, as drawn:").small())
        .on_hover_text("The mean difference from the source there, of 255");
    for thing in &outcome.things {
        let text = format!(
            "{}: {:.1} of 255, on {} of the picture",
            thing.from,
            thing.mean_change,
            percent(thing.share)
        );
        ui.label(RichText::new(text).small().color(tokens.text));
    }
    for (one, other, part) in &outcome.overlaps {
        let text = format!(
            "\"{one}\" and \"{other}\" share {} of the smaller place: each may take from the \
             other there. Paint them apart.",
            percent(*part)
        );
        ui.label(RichText::new(text).small().color(tokens.caution));
    }
    prompt_line(ui, &outcome, tokens);
    let mut is_heat = matches!(studio.edit.shows, EditShows::Heat(_));
    let help = "Shows how much each pixel differs from the source as the model drew it";
    if ui
        .checkbox(&mut is_heat, "heat map")
        .on_hover_text(help)
        .changed()
    {
        studio.edit.shows = if is_heat {
            EditShows::Heat(USUAL_GAIN)
        } else {
            EditShows::Result
        };
    }
    if let EditShows::Heat(gain) = &mut studio.edit.shows {
        ui.horizontal(|ui| {
            let label = ui.label("enlarged");
            let slider = egui::Slider::new(gain, 1.0..=32.0)
                .logarithmic(true)
                .fixed_decimals(0)
                .prefix("×");
            ui.add(slider).labelled_by(label.id);
        });
    }
}

fn row(ui: &mut Ui, title: &str, change: &OutsideChange) {
    let psnr = change.psnr_db;
    let cells = [
        format!("{:.2}", change.mean),
        change.max.to_string(),
        psnr.map_or_else(|| "∞".to_owned(), |psnr| format!("{psnr:.1} dB")),
        format!("{:.3}", change.ssim),
    ];
    ui.label(RichText::new(title).small());
    let helps = [
        "Mean difference of all channels, of 255",
        "Largest difference of any channel, of 255",
        "Peak signal-to-noise ratio: above 30 dB is hardly seen",
        "How much of the structure stayed: 1 is all of it",
    ];
    for (cell, help) in cells.into_iter().zip(helps) {
        ui.label(RichText::new(cell).small()).on_hover_text(help);
    }
    ui.end_row();
}

/// The prompt that the edit led to.
fn prompt_line(ui: &mut Ui, outcome: &EditOutcome, tokens: Tokens) {
    let text = format!("now: {}", outcome.report.prompt);
    ui.label(RichText::new(text).small().color(tokens.text_weak));
}
