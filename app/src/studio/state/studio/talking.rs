//! The bench changed by what is said.

use std::path::PathBuf;

use vernier_engine::picture::Picture;
use vernier_engine::recipe::{ControlScale, ControlUse, Recipe};
use vernier_engine::service::{Command, Event, JobId, SceneRequest};
use vernier_engine::talk::{Lexicon, Move, Outcome, PictureReadings, Scene, Understood, apply};

use super::super::talk::Unread;
use super::super::{ControlKey, Made, Shown, Talk, ToastKind};
use super::Studio;
use crate::studio::command::UiCommand;

impl Studio {
    /// The talk about the bench's picture.
    pub fn talk(&self) -> &Talk {
        &self.talk
    }

    /// The same, for the line that is being written.
    pub fn talk_mut(&mut self) -> &mut Talk {
        &mut self.talk
    }

    /// Takes a sentence; it is answered as soon as the picture is there and read.
    pub fn hear(&mut self, sentence: &str) {
        let sentence = sentence.trim();
        if !sentence.is_empty() {
            self.shown = Shown::Bench;
            self.talk.waiting = Some(sentence.to_owned());
        }
    }

    /// Reads the bench's picture where somebody waits for that, and answers.
    pub(super) fn look_after_talk(&mut self) {
        if self.talk.reading.is_some() {
            return;
        }
        let recipe = self.bench.recipe.clone();
        if let Some(readings) = self.talk.readings_of(&recipe).cloned() {
            if let Some(unread) = self.talk.unread.take() {
                self.talk.tell_after(&unread, &readings);
            }
            if let Some(sentence) = self.talk.waiting.take() {
                self.answer(sentence, &readings);
            }
            return;
        }
        if self.talk.waiting.is_none() && self.talk.unread.is_none() {
            return;
        }
        match self.bench_pictures.get(&recipe) {
            Some(made) => {
                let picture = Picture::clone(&made.picture);
                self.read_picture(recipe, picture);
            }
            // What follows the bench will be there in a moment.
            None if self.live.is_on() || self.queue.running().is_some() => {}
            None => {
                if let Some(sentence) = self.talk.waiting.take() {
                    self.answer(sentence, &PictureReadings::default());
                }
            }
        }
    }

    fn read_picture(&mut self, recipe: Recipe, picture: Picture) {
        let job = self.queue.fresh_id();
        let request = SceneRequest {
            picture,
            prompt: recipe.prompt.clone(),
            model: recipe.model.path.as_ref().map(PathBuf::from),
        };
        self.outbox.push(Command::ReadScene {
            job,
            request: Box::new(request),
            options: self.options.clone(),
        });
        self.talk.reading = Some((job, recipe));
    }

    /// Takes in what the engine tells of a reading for the talk; `false` where it is of something
    /// else.
    pub(super) fn receive_talk(&mut self, event: &Event) -> bool {
        let of = |job: &JobId| {
            self.talk
                .reading
                .as_ref()
                .is_some_and(|(own, _)| own == job)
        };
        let (readings, told) = match event {
            Event::Scene { job, readings } if of(job) => (Some((**readings).clone()), None),
            Event::Failed { job, message, .. } if of(job) => {
                (Some(PictureReadings::default()), Some(message.clone()))
            }
            Event::Cancelled { job } if of(job) => (Some(PictureReadings::default()), None),
            Event::Queued { job }
            | Event::Started { job, .. }
            | Event::Note { job, .. }
            | Event::Finished { job }
                if of(job) =>
            {
                (None, None)
            }
            _ => return false,
        };
        if let Some(message) = told {
            self.toasts.push(ToastKind::Trouble, message, None);
        }
        if let Some(readings) = readings
            && let Some((_, recipe)) = self.talk.reading.take()
        {
            self.talk.keep_readings(recipe, readings);
        }
        true
    }

    fn answer(&mut self, sentence: String, readings: &PictureReadings) {
        if self.talk.lexicon.is_none() {
            match Lexicon::usual() {
                Ok(lexicon) => self.talk.lexicon = Some(lexicon),
                Err(error) => {
                    self.talk.answer(sentence, error.to_string(), Vec::new());
                    return;
                }
            }
        }
        let Some(lexicon) = &self.talk.lexicon else {
            return;
        };
        let controls: Vec<_> = self.controls.iter().map(|c| c.info.clone()).collect();
        let scene = Scene::new(lexicon, &self.bench.recipe, &controls, readings);
        let outcome = self.talk.dialogue.understand(lexicon, &scene, &sentence);
        let (answer, choices) = match outcome {
            Outcome::Change(understood) => (self.carry_out(understood, readings), Vec::new()),
            Outcome::Undo { count } => {
                let mut done = 0;
                while done < count && self.allows(UiCommand::Undo) {
                    self.apply(UiCommand::Undo);
                    done += 1;
                }
                let answer = match done {
                    0 => "There is nothing to take back.".to_owned(),
                    1 => "Taken back.".to_owned(),
                    steps => format!("Taken back, {steps} steps."),
                };
                (answer, Vec::new())
            }
            Outcome::Redo if self.allows(UiCommand::Redo) => {
                self.apply(UiCommand::Redo);
                ("Made again.".to_owned(), Vec::new())
            }
            Outcome::Redo => ("There is nothing to make again.".to_owned(), Vec::new()),
            Outcome::Nothing { say } => (say, Vec::new()),
            Outcome::Ask(question) => (question.text, question.choices),
        };
        self.talk.answer(sentence, answer, choices);
    }

    /// Makes the moves on the bench; gives what is answered.
    fn carry_out(&mut self, understood: Understood, readings: &PictureReadings) -> String {
        for own in &understood.moves {
            let Move::Control(own) = own else { continue };
            let key = ControlKey::new(own.control.clone(), own.subject.as_deref());
            if self.bench.is_locked(&key) {
                return format!("{key} is locked; unlock its slider first.");
            }
            if self.bench.is_muted(&key) {
                self.bench.toggle_mute(&key);
            }
        }
        match apply(&self.bench.recipe, &understood.moves) {
            Ok(recipe) => {
                self.bench.recipe = recipe;
                if !self.live.is_on() {
                    self.render();
                }
                let summary = understood.summary.clone();
                self.talk.unread = Some(Unread {
                    understood,
                    before: readings.clone(),
                });
                summary
            }
            Err(error) => error.to_string(),
        }
    }

    /// Puts the settings that a closed loop found for the bench on it, as a part of the change that
    /// asked for them: they are not searched for again, and sliders show where they are.
    pub(super) fn settle_measured(&mut self, asked: &Recipe, made: &Made) {
        let is_open = |c: &ControlUse| c.scale == ControlScale::Measured && c.resolved.is_none();
        if self.bench.recipe != *asked || !asked.controls.iter().any(is_open) {
            return;
        }
        let was = self.scene();
        for own in self.bench.recipe.controls.iter_mut().filter(|c| is_open(c)) {
            let mut found = made.recipe.controls.iter();
            let found = found.find(|c| c.name == own.name && c.subject == own.subject);
            own.resolved = found.and_then(|found| found.resolved);
        }
        self.bench_pictures
            .insert(self.bench.recipe.clone(), made.clone());
        self.live.is_shown(&self.bench.recipe);
        let now = self.scene();
        self.timeline.amend(&was, now);
    }
}
