//! What is to be trained, and the trainings that there are.

use egui::{
    Button, Checkbox, CollapsingHeader, ComboBox, DragValue, Grid, RichText, ScrollArea, TextEdit,
    Ui,
};
use vernier_engine::controls::Architecture;

use crate::studio::state::{
    ColumnCheck, Run, RunState, Studio, ToastKind, TrainingForm, TrainingKind, in_words,
};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::{icon_button, left_label};

/// Quantities that are read from every picture.
pub(super) const QUANTITIES: [&str; 3] = ["brightness", "detail", "realism"];

/// Draws form and list; gives whether a training was chosen.
pub(super) fn form_ui(ui: &mut Ui, studio: &mut Studio) -> bool {
    let mut has_chosen = false;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.add_space(space::S);
        heading(ui, "What to train");
        let checks = studio.training.checks();
        let sheet = studio.training.sheet().cloned();
        let columns = sheet.as_ref().map_or(&[][..], |sheet| &sheet.columns);
        let form = &mut studio.training.form;
        what(ui, form);
        if form.kind.needs_pictures() {
            from_pictures(ui, form, columns, &checks);
        } else {
            from_words(ui, form);
        }
        numbers(ui, form);
        more(ui, form);
        start(ui, studio);
        ui.add_space(space::L);
        has_chosen = list(ui, studio);
    });
    has_chosen
}

fn heading(ui: &mut Ui, text: &str) {
    ui.label(semibold(text));
}

fn what(ui: &mut Ui, form: &mut TrainingForm) {
    let mut kind = form.kind;
    ComboBox::from_id_salt("kind of control")
        .width(ui.available_width() - space::M)
        .selected_text(kind.title())
        .show_ui(ui, |ui| {
            for one in TrainingKind::ALL {
                ui.selectable_value(&mut kind, one, one.title());
            }
        })
        .response
        .accessible_name("kind of control");
    if kind != form.kind {
        form.choose(kind);
    }
    ui.label(RichText::new(kind.help()).small().weak());
    field(ui, "name", &mut form.name, "such as age");
}

/// A label and a line of text.
fn field(ui: &mut Ui, name: &str, text: &mut String, hint: &str) {
    ui.horizontal(|ui| {
        let label = left_label(ui, RichText::new(name), 70.0, 20.0);
        let edit = TextEdit::singleline(text).hint_text(hint);
        ui.add(edit.desired_width(f32::INFINITY))
            .labelled_by(label.id)
            .accessible_name(name);
    });
}

fn from_words(ui: &mut Ui, form: &mut TrainingForm) {
    ui.add_space(space::S);
    ui.label("From less to more of it, in words before the noun:");
    let mut removed = None;
    let can_remove = form.pairs.len() > 1;
    for (at, [less, more]) in form.pairs.iter_mut().enumerate() {
        ui.horizontal(|ui| {
            // The arrow, the cross and the gaps between have the rest.
            let width = ((ui.available_width() - 84.0) / 2.0).max(40.0);
            let number = at + 1;
            let hint = if at == 0 { ["young", "old"] } else { ["", ""] };
            ui.add_sized([width, 22.0], TextEdit::singleline(less).hint_text(hint[0]))
                .accessible_name(format!("less of it, pair {number}"));
            ui.label("→");
            ui.add_sized([width, 22.0], TextEdit::singleline(more).hint_text(hint[1]))
                .accessible_name(format!("more of it, pair {number}"));
            if can_remove
                && icon_button(
                    ui,
                    "✖",
                    &format!("remove pair {number}"),
                    "Takes the pair out",
                )
                .clicked()
            {
                removed = Some(at);
            }
        });
    }
    if let Some(at) = removed {
        form.pairs.remove(at);
    }
    if ui
        .button("Add a pair")
        .on_hover_text("Several wordings make a control that does not hang on one of them")
        .clicked()
    {
        form.pairs.push([String::new(), String::new()]);
    }
    field(ui, "subjects", &mut form.subjects, "man, woman");
}

fn from_pictures(ui: &mut Ui, form: &mut TrainingForm, columns: &[String], checks: &[ColumnCheck]) {
    let tokens = Tokens::in_ui(ui);
    ui.add_space(space::S);
    if form.kind == TrainingKind::Value {
        ui.label("The value is what each picture measures:");
        for quantity in QUANTITIES {
            let mut is_chosen = form.quantities.contains(quantity);
            let choice = ui.add(Checkbox::new(&mut is_chosen, quantity));
            let choice = choice.accessible_name(format!("measure {quantity}"));
            if choice.changed() {
                toggle(&mut form.quantities, quantity, is_chosen);
            }
        }
        ui.label("or what a column says:");
    } else {
        ui.label("Columns that it learns:");
    }
    if columns.is_empty() {
        ui.weak("The pictures have no columns yet; add some beside them");
    }
    for (name, check) in columns.iter().zip(checks) {
        let mut is_chosen = form.columns.contains(name);
        let is_good = check.problem.is_none();
        ui.horizontal(|ui| {
            let choice = ui.add_enabled(
                is_good || is_chosen,
                Checkbox::new(&mut is_chosen, in_words(name)),
            );
            let choice = choice.accessible_name(format!("learn column {name}"));
            if choice.changed() {
                toggle(&mut form.columns, name, is_chosen);
            }
            if let Some(sentence) = &check.problem {
                ui.label(
                    RichText::new("⚠ cannot be learnt")
                        .small()
                        .color(tokens.trouble),
                )
                .on_hover_text(sentence);
            }
        });
    }
}

fn toggle(set: &mut std::collections::BTreeSet<String>, name: &str, is_in: bool) {
    if is_in {
        set.insert(name.to_owned());
    } else {
        set.remove(name);
    }
}

fn numbers(ui: &mut Ui, form: &mut TrainingForm) {
    ui.add_space(space::S);
    if form.kind == TrainingKind::Direction {
        ui.checkbox(&mut form.is_difference, "from the text encoder alone")
            .on_hover_text("Takes seconds and no training; often good enough for a first look");
    }
    if form.kind == TrainingKind::Direction && form.is_difference {
        return;
    }
    Grid::new("numbers").num_columns(2).show(ui, |ui| {
        let steps = DragValue::new(&mut form.steps).range(1..=1_000_000);
        number(ui, "steps", steps.speed(5.0), "training steps");
        let rate = DragValue::new(&mut form.learning_rate).range(1e-7..=10.0);
        let rate = rate.speed(1e-4).max_decimals(7);
        number(ui, "learning rate", rate, "learning rate");
        if form.kind.needs_pictures() {
            let batch = DragValue::new(&mut form.batch).range(1..=512);
            number(ui, "pictures a step", batch, "pictures a step");
        }
    });
}

/// A row of a grid: a label, and a number that screen readers call `name`.
fn number(ui: &mut Ui, label: &str, value: DragValue<'_>, name: &str) {
    ui.label(label);
    ui.add(value).accessible_name(name);
    ui.end_row();
}

fn more(ui: &mut Ui, form: &mut TrainingForm) {
    CollapsingHeader::new("More").show(ui, |ui| {
        match form.kind {
            TrainingKind::Direction | TrainingKind::Slider => {
                ui.label("what may stand before the prompts, one a line:");
                let edit = TextEdit::multiline(&mut form.prefixes).desired_rows(2);
                ui.add(edit.hint_text("on a beach ,").desired_width(f32::INFINITY))
                    .accessible_name("prefixes");
            }
            TrainingKind::Value => {}
            TrainingKind::AttAdapter => {
                ComboBox::from_label("architecture")
                    .selected_text(form.architecture.name())
                    .show_ui(ui, |ui| {
                        for one in Architecture::ALL {
                            ui.selectable_value(&mut form.architecture, one, one.name());
                        }
                    });
            }
        }
        if form.kind == TrainingKind::Slider {
            field(ui, "leave alone", &mut form.preserved, "smiling, frowning");
        }
        Grid::new("more numbers").num_columns(2).show(ui, |ui| {
            if form.kind == TrainingKind::Slider {
                let rank = DragValue::new(&mut form.rank).range(1..=128);
                number(ui, "rank", rank, "rank");
            }
            let seed = DragValue::new(&mut form.seed);
            number(ui, "seed", seed, "training seed");
            let workers = DragValue::new(&mut form.workers).range(0..=255);
            number(ui, "workers, 0 for what suits", workers, "workers");
            if !form.kind.needs_pictures() {
                let minutes = DragValue::new(&mut form.strip_every_min).range(0.0..=600.0);
                let name = "minutes between samples";
                number(ui, name, minutes.speed(0.1), name);
            }
        });
    });
}

fn start(ui: &mut Ui, studio: &mut Studio) {
    let tokens = Tokens::in_ui(ui);
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        let text = RichText::new("Start training").color(tokens.on_accent);
        if ui.add(Button::new(text).fill(tokens.accent)).clicked() {
            studio.start_training();
        }
        let help = "The same training as a command line, for a farm or a script";
        if ui.button("Copy command").on_hover_text(help).clicked() {
            match studio.plan_of_form() {
                Ok(plan) => copy_command(ui, studio, &plan.command()),
                Err(sentence) => studio.training.problem = Some(sentence),
            }
        }
    });
    if let Some(sentence) = &studio.training.problem {
        ui.label(RichText::new(sentence).color(tokens.trouble));
    }
}

/// Puts a command into the clipboard, and says so.
pub(super) fn copy_command(ui: &Ui, studio: &mut Studio, command: &str) {
    ui.ctx().copy_text(command.to_owned());
    let text = "The command is in the clipboard";
    studio.toasts.push(ToastKind::Done, text, None);
}

fn list(ui: &mut Ui, studio: &mut Studio) -> bool {
    let tokens = Tokens::in_ui(ui);
    let mut chosen = None;
    if !studio.training.runs().is_empty() {
        heading(ui, "Trainings");
    }
    for (at, run) in studio.training.runs().iter().enumerate() {
        let is_shown = studio.training.shown == Some(at);
        ui.horizontal(|ui| {
            if ui
                .add(Button::selectable(is_shown, &run.plan.name))
                .clicked()
            {
                chosen = Some(at);
            }
            ui.label(
                RichText::new(state_in_words(run))
                    .small()
                    .color(tokens.text_weak),
            );
        });
    }
    if chosen.is_some() {
        studio.training.shown = chosen;
    }
    chosen.is_some()
}

/// Where a training stands, in a few words.
pub(super) fn state_in_words(run: &Run) -> String {
    let (step, steps) = (run.step, run.plan.steps);
    match &run.state {
        RunState::Starting(phase) => phase.clone(),
        RunState::Running => format!("step {step} of {steps}"),
        RunState::Pausing => "pauses after this step".to_owned(),
        RunState::Stopping => "stops after this step".to_owned(),
        RunState::Paused => format!("paused at step {step} of {steps}"),
        RunState::Failed(_) => format!("failed at step {step} of {steps}"),
        RunState::Done(_) => "done".to_owned(),
    }
}
