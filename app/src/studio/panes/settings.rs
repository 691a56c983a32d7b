//! The rest of the recipe: seed, steps, guidance, sampler, size.

use egui::{Button, ComboBox, DragValue, Grid, RichText, Slider, Ui};
use vernier_engine::prompt::PromptSyntax;
use vernier_engine::recipe::{Highres, Recipe, SIZE_RANGE_PX};
use vernier_engine::sampling::{SamplerName, ScheduleName};

use crate::studio::command::UiCommand;
use crate::studio::state::{ModelState, Shown, Studio};
use crate::studio::theme::Tokens;
use crate::studio::widgets::icon_button;

/// Draws the recipe's fields that are no controls, and `below` under them.
pub(crate) fn settings_pane(
    ui: &mut Ui,
    studio: &mut Studio,
    below: impl FnOnce(&mut Ui, &Studio),
) -> Option<UiCommand> {
    let before = studio.bench.recipe.clone();
    let mut asked = None;
    egui::ScrollArea::vertical()
        .auto_shrink(false)
        .show(ui, |ui| {
            Grid::new("settings").num_columns(2).show(ui, |ui| {
                model_row(ui, studio);
                let recipe = &mut studio.bench.recipe;
                asked = seed_row(ui, recipe);
                number_rows(ui, recipe);
                sampler_row(ui, recipe);
                schedule_row(ui, recipe);
                prompt_rows(ui, recipe);
                size_row(ui, recipe);
                highres_row(ui, recipe);
                dtype_row(ui, recipe);
            });
            below(ui, studio);
        });
    if studio.bench.recipe != before {
        studio.shown = Shown::Bench;
    }
    asked
}

fn model_row(ui: &mut Ui, studio: &Studio) {
    let tokens = Tokens::in_ui(ui);
    ui.label("model");
    let name = &studio.bench.recipe.model.name;
    let about = match studio.model() {
        ModelState::Loaded(model) => format!(
            "{}\ncomputes on {}: {}",
            model.hash.get(..16).unwrap_or(&model.hash),
            model.device,
            model.device_reason
        ),
        ModelState::Loading(name) => format!("{name} is being read"),
        ModelState::Absent => "it is read when the first picture is made".to_owned(),
    };
    ui.label(RichText::new(name).color(tokens.text))
        .on_hover_text(about);
    ui.end_row();
}

fn seed_row(ui: &mut Ui, recipe: &mut Recipe) -> Option<UiCommand> {
    let mut asked = None;
    let label = ui.label("seed");
    ui.horizontal(|ui| {
        ui.add(DragValue::new(&mut recipe.seed).speed(1.0))
            .labelled_by(label.id);
        let buttons = [
            ("◀", UiCommand::PreviousSeed),
            ("▶", UiCommand::NextSeed),
            ("🎲", UiCommand::NewSeed),
        ];
        for (icon, command) in buttons {
            if icon_button(ui, icon, command.title(), command.help()).clicked() {
                asked = Some(command);
            }
        }
    });
    ui.end_row();
    asked
}

fn number_rows(ui: &mut Ui, recipe: &mut Recipe) {
    let label = ui.label("steps");
    let steps = Slider::new(&mut recipe.steps, 1..=100).clamping(egui::SliderClamping::Never);
    ui.add(steps).labelled_by(label.id);
    ui.end_row();
    recipe.steps = recipe.steps.clamp(1, 1000);
    let label = ui.label("guidance");
    let guidance = Slider::new(&mut recipe.guidance_scale, 1.0..=15.0)
        .clamping(egui::SliderClamping::Never)
        .fixed_decimals(1);
    ui.add(guidance)
        .labelled_by(label.id)
        .on_hover_text("How closely to follow the prompt; 1 turns guidance off");
    ui.end_row();
}

fn sampler_row(ui: &mut Ui, recipe: &mut Recipe) {
    let label = ui.label("sampler");
    ComboBox::from_id_salt("sampler")
        .selected_text(recipe.sampler.clone())
        .show_ui(ui, |ui| {
            for sampler in SamplerName::ALL {
                let name = sampler.name();
                if ui
                    .add(Button::selectable(recipe.sampler == name, name))
                    .clicked()
                {
                    name.clone_into(&mut recipe.sampler);
                }
            }
        })
        .response
        .labelled_by(label.id);
    ui.end_row();
}

fn schedule_row(ui: &mut Ui, recipe: &mut Recipe) {
    let label = ui.label("schedule");
    ComboBox::from_id_salt("schedule")
        .selected_text(recipe.walk.schedule.clone())
        .show_ui(ui, |ui| {
            for schedule in ScheduleName::ALL {
                let name = schedule.name();
                if ui
                    .add(Button::selectable(recipe.walk.schedule == name, name))
                    .clicked()
                {
                    name.clone_into(&mut recipe.walk.schedule);
                }
            }
        })
        .response
        .labelled_by(label.id)
        .on_hover_text("How the steps are spaced; model is what the model's folder says");
    ui.end_row();
}

fn prompt_rows(ui: &mut Ui, recipe: &mut Recipe) {
    let label = ui.label("prompt signs");
    let text = &mut recipe.text;
    ComboBox::from_id_salt("prompt signs")
        .selected_text(text.prompt_syntax.name())
        .show_ui(ui, |ui| {
            for syntax in PromptSyntax::ALL {
                ui.selectable_value(&mut text.prompt_syntax, syntax, syntax.name());
            }
        })
        .response
        .labelled_by(label.id)
        .on_hover_text(
            "Whose rules (a cat:1.3) and other signs follow; plain takes every sign at its word",
        );
    ui.end_row();
    let label = ui.label("clip skip");
    let layer = text.clip_skip;
    ComboBox::from_id_salt("clip skip")
        .selected_text(clip_skip_name(layer))
        .show_ui(ui, |ui| {
            let most = layer.unwrap_or(1).max(4);
            for choice in std::iter::once(None).chain((1..=most).map(Some)) {
                ui.selectable_value(&mut text.clip_skip, choice, clip_skip_name(choice));
            }
        })
        .response
        .labelled_by(label.id)
        .on_hover_text("The text encoder's layer to take, counted from the last one, which is 1");
    ui.end_row();
}

fn clip_skip_name(layer: Option<u32>) -> String {
    layer.map_or_else(|| "model's own".to_owned(), |layer| layer.to_string())
}

fn size_row(ui: &mut Ui, recipe: &mut Recipe) {
    ui.label("size");
    ui.horizontal(|ui| {
        for (side_px, name) in [
            (&mut recipe.width_px, "width in pixels"),
            (&mut recipe.height_px, "height in pixels"),
        ] {
            let field = DragValue::new(side_px)
                .range(SIZE_RANGE_PX)
                .speed(8.0)
                .suffix(" px");
            ui.add(field).accessible_name(name);
            *side_px = (*side_px / 8).max(8) * 8;
        }
    });
    ui.end_row();
}

fn highres_row(ui: &mut Ui, recipe: &mut Recipe) {
    ui.label("second pass");
    ui.horizontal(|ui| {
        let mut is_on = recipe.highres.is_some();
        let about = "Enlarges the picture and goes on from there (highres fix)";
        let switch = ui.checkbox(&mut is_on, "larger").on_hover_text(about);
        if switch.changed() {
            recipe.highres = is_on.then(Highres::new);
        }
        let Some(highres) = &mut recipe.highres else {
            return;
        };
        let factor = DragValue::new(&mut highres.factor)
            .range(1.0..=8.0)
            .speed(0.05)
            .max_decimals(2)
            .prefix("×");
        ui.add(factor).accessible_name("how many times larger");
        let strength = DragValue::new(&mut highres.strength)
            .range(0.05..=1.0)
            .speed(0.01)
            .max_decimals(2);
        ui.add(strength)
            .on_hover_text("How far it may go from the enlarged picture")
            .accessible_name("strength of the second pass");
        if let Some(upscaler) = &highres.upscaler {
            ui.label(&upscaler.name);
        }
    });
    ui.end_row();
}

fn dtype_row(ui: &mut Ui, recipe: &mut Recipe) {
    ui.label("dtype");
    ui.horizontal(|ui| {
        for dtype in ["f32", "bf16"] {
            if ui
                .add(Button::selectable(recipe.dtype == dtype, dtype))
                .clicked()
            {
                dtype.clone_into(&mut recipe.dtype);
            }
        }
    });
    ui.end_row();
}
