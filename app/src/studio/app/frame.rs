//! What happens in a frame.

use std::time::{Duration, Instant};

use egui::{CentralPanel, Frame, Margin, Panel, Ui, ViewportCommand};

use super::StudioApp;
use crate::studio::command::{MenuName, UiCommand};
use crate::studio::files::FileEvent;
use crate::studio::gpu::{self, Pixels};
use crate::studio::keeper::KeeperCommand;
use crate::studio::panes::{
    canvas_pane, controls_pane, filmstrip_pane, library_pane, prompt_pane, queue_pane,
    settings_pane, talk_pane,
};
use crate::studio::shell::{Asked, Pane, Relinked, keys_window, menu_bar, status_bar, toasts_ui};
use crate::studio::state::ToastKind;
use crate::studio::theme::space;
use crate::studio::workspaces::{
    Workspace, edit_workspace, measure_workspace, sweep_workspace, train_workspace,
};

/// A word counts as being typed for so long after its last letter.
const TYPING: Duration = Duration::from_millis(600);

impl StudioApp {
    /// The window is called as its project.
    fn call_window(&mut self, ctx: &egui::Context) {
        let title = format!("{} – Vernier", self.studio.project_name());
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn panes(&mut self, ui: &mut Ui) -> Option<UiCommand> {
        let mut asked = None;
        let mut docks = std::mem::take(&mut self.docks);
        docks.show(ui, |ui, pane| {
            let answer = match pane {
                Pane::Canvas => {
                    canvas_pane(ui, &mut self.studio, &mut self.canvas);
                    None
                }
                Pane::Controls => {
                    controls_pane(ui, &mut self.studio);
                    None
                }
                Pane::Library => library_pane(ui, &mut self.studio, &mut self.library),
                Pane::Settings => settings_pane(ui, &mut self.studio, |ui, studio| {
                    let shown = studio.shown_picture().map(|(p, _)| Pixels::Picture(p));
                    let shown = shown.map(|pixels| self.canvas.source(&pixels));
                    self.histogram.show(ui, shown);
                }),
                Pane::Filmstrip => filmstrip_pane(ui, &mut self.studio, &mut self.thumbnails),
                Pane::Queue => queue_pane(ui, &mut self.studio),
            };
            asked = asked.or(answer);
        });
        self.docks = docks;
        asked
    }
}

impl eframe::App for StudioApp {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        while let Some(event) = self.link.next_event() {
            self.studio.receive(event);
        }
        if self.studio.take_controls_changed() {
            self.look_for_library(ctx);
        }
        while let Ok(event) = self.file_events.try_recv() {
            // A project that comes later would take what was opened off its bench again.
            let is_settled = matches!(event, FileEvent::Project { .. } | FileEvent::Failed(_));
            self.take_file_event(event);
            if let Some(path) = self.opens_later.take_if(|_| is_settled) {
                self.read_file(ctx, path);
            }
        }
        self.look_after_training();
        if let Some(sentence) = self.render_state.as_ref().and_then(gpu::take_trouble) {
            self.studio.toasts.push(ToastKind::Trouble, sentence, None);
        }
        self.leave_lost_device(ctx);
        let now = Instant::now();
        let is_typing = self.typed_at.is_some_and(|at| now - at < TYPING);
        let (is_held, begins) =
            ctx.input(|input| (input.pointer.any_down(), input.pointer.any_pressed()));
        // What was typed a moment before a hand takes hold of something is a step of its own.
        let is_interacting = (is_typing || is_held) && !begins;
        if let Some(pause) = self.studio.tick(now, is_interacting) {
            ctx.request_repaint_after(pause);
        }
        self.answer_adapter_questions(ctx);
        if let Some(at) = self.studio.take_prompt_picture_wish() {
            self.dialogs.ask(Asked::PromptPicture(at), "");
        }
        for command in self.studio.take_outbox() {
            self.link.send(command);
        }
        for id in self.studio.take_wanted_pixels() {
            self.keeping.send(KeeperCommand::Read(id));
        }
        if !is_held {
            let docks = &self.docks;
            let pause = self.keeping.look(&mut self.studio, || docks.to_json());
            if let Some(pause) = pause {
                ctx.request_repaint_after(pause);
            }
        }
        self.call_window(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_dropped_files(&ctx);
        self.take_pasted_pictures(&ctx);
        let is_elsewhere = self.dialogs.is_open() || self.relink.is_open() || self.shows_keys;
        let mut asked = if is_elsewhere {
            None
        } else {
            // Letters are tools where one paints, unless somebody is writing.
            let paints = self.workspace == Workspace::Edit && !ctx.text_edit_focused();
            let is_plain_key = |command: UiCommand| paints && command.menu() == MenuName::Mask;
            ctx.input_mut(|input| self.keys.pressed(input, is_plain_key))
        };
        let bar = Frame::side_top_panel(ui.style())
            .inner_margin(Margin::symmetric(space::M as i8, space::XS as i8));
        Panel::top("menu").frame(bar).show(ui, |ui| {
            ui.horizontal(|ui| {
                let tabs = 370.0;
                let width = (ui.available_width() - tabs).max(0.0);
                let height = ui.spacing().interact_size.y;
                ui.allocate_ui(egui::vec2(width, height), |ui| {
                    asked = menu_bar(ui, &self.studio, &self.keys).or(asked);
                });
                self.workspace.tabs(ui);
            });
        });
        let roomy = bar.inner_margin(Margin::same(space::M as i8));
        // A training has prompts of its own.
        if self.workspace != Workspace::Train {
            Panel::top("prompt pane").frame(roomy).show(ui, |ui| {
                asked = prompt_pane(ui, &mut self.studio, &mut self.prompt).or(asked);
            });
        }
        let is_typed = [
            self.prompt.is_being_typed(),
            self.edit.is_being_typed(),
            self.train.is_being_typed(),
        ];
        if is_typed.contains(&true) {
            self.typed_at = Some(Instant::now());
        }
        Panel::bottom("status").frame(bar).show(ui, |ui| {
            let zoom = self.canvas.zoom();
            asked = status_bar(ui, &self.studio, zoom, self.adapter.as_deref()).or(asked);
        });
        let has_picture = matches!(self.workspace, Workspace::Generate | Workspace::Edit);
        if self.talk.is_open && has_picture {
            Panel::bottom("talk").frame(roomy).show(ui, |ui| {
                talk_pane(ui, &mut self.studio, &mut self.talk);
            });
        }
        CentralPanel::no_frame().show(ui, |ui| match self.workspace {
            Workspace::Generate => asked = self.panes(ui).or(asked),
            Workspace::Edit => {
                let (studio, canvas) = (&mut self.studio, &mut self.canvas);
                let histogram = &mut self.histogram;
                asked = edit_workspace(ui, studio, &mut self.edit, canvas, histogram).or(asked);
            }
            Workspace::Sweep => {
                let (studio, workspace) = (&mut self.studio, &mut self.workspace);
                if sweep_workspace(ui, studio, &mut self.sweep, workspace) {
                    self.dialogs.ask(Asked::ExportSweep, "sweep.png");
                }
            }
            Workspace::Measure => {
                let own = self.own_controls.as_deref();
                let (studio, workspace) = (&mut self.studio, &mut self.workspace);
                measure_workspace(ui, studio, &mut self.measure, workspace, own);
            }
            Workspace::Train => {
                if let Some(asked) = train_workspace(ui, &mut self.studio, &mut self.train) {
                    self.take_train_asked(asked);
                }
            }
        });
        if self.studio.take_asks_for_map_file() {
            self.dialogs.ask(Asked::Map, "");
        }
        asked = self.palette.show(ui, &self.studio, &self.keys).or(asked);
        if self.shows_keys {
            self.shows_keys = keys_window(ui, &mut self.keys, &mut self.waiting_key);
        }
        if let Some((dialog, answer)) = self.dialogs.show(ui) {
            self.take_answer(&ctx, dialog, answer);
        }
        for Relinked { name, path } in self.relink.show(ui, self.studio.models()) {
            self.studio.relink(&name, &path);
        }
        asked = toasts_ui(ui, &mut self.studio.toasts).or(asked);
        if let Some(command) = asked {
            self.run(&ctx, command);
            ctx.request_repaint();
        }
    }

    fn on_exit(&mut self) {
        self.keep_settings();
        self.pause_trainings();
        // Dropping the keeper waits until it is on the disk.
        if self.studio.needs_saving() {
            self.save_now(false);
        }
    }
}
