//! Columns are added and filled here.

use egui::{ComboBox, Key, TextEdit, Ui};
use vernier_engine::measure::Quantity;
use vernier_engine::service::ReadWhat;

use super::PicturesView;
use crate::studio::state::{Studio, in_words};
use crate::studio::workspaces::train::form::QUANTITIES;

pub(super) fn tools(ui: &mut Ui, studio: &mut Studio, view: &mut PicturesView) {
    ui.horizontal(|ui| {
        let edit = TextEdit::singleline(&mut view.new_column).hint_text("new column");
        let edit = ui
            .add(edit.desired_width(110.0))
            .accessible_name("new column");
        let is_entered = edit.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if (ui.button("Add column").clicked() || is_entered)
            && let Some(sheet) = studio.training.sheet_mut()
        {
            match sheet.add_column(&view.new_column) {
                Ok(()) => {
                    view.new_column.clear();
                    studio.training.problem = None;
                }
                Err(sentence) => studio.training.problem = Some(sentence),
            }
        }
        ui.separator();
        let title = view
            .fill
            .as_deref()
            .map_or_else(|| "choose".to_owned(), in_words);
        ui.label("fill a column by");
        ComboBox::from_id_salt("what to read")
            .selected_text(title)
            .show_ui(ui, |ui| {
                let readable = studio.training.readable.iter().map(String::as_str);
                for name in QUANTITIES.into_iter().chain(readable) {
                    let is_chosen = view.fill.as_deref() == Some(name);
                    if ui.selectable_label(is_chosen, in_words(name)).clicked() {
                        view.fill = Some(name.to_owned());
                    }
                }
            })
            .response
            .accessible_name("what to read from every picture");
        if let Some(filling) = studio.training.filling() {
            let (done, all) = (filling.done, filling.rows.len());
            ui.spinner();
            ui.label(format!("{} {done} of {all}", in_words(&filling.column)));
            if ui.button("Stop reading").clicked() {
                studio.stop_filling();
            }
        } else {
            let fill = ui.add_enabled(view.fill.is_some(), egui::Button::new("Fill"));
            let help = "Reads it from every picture, into the column of that name; a running \
                        training is finished before";
            if fill
                .on_hover_text(help)
                .accessible_name("fill the column")
                .clicked()
                && let Some(name) = view.fill.clone()
            {
                let is_read = studio.training.readable.contains(&name);
                let named = Quantity::named(&name).filter(|_| !is_read);
                let what =
                    named.map_or_else(|| ReadWhat::Attribute(name.clone()), ReadWhat::Quantity);
                studio.fill_column(&name, what);
            }
        }
    });
}
