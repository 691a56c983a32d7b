//! What the window does for trainings.

use std::time::{Duration, Instant};

use super::StudioApp;

/// A training that is told to stop keeps its state after the step at hand; the window waits for
/// that so long.
const PATIENCE: Duration = Duration::from_mins(1);

impl StudioApp {
    /// Takes in what the desk tells, and gives it what is asked of it.
    pub(super) fn look_after_training(&mut self) {
        while let Ok(event) = self.desk_events.try_recv() {
            if self.studio.training.take_desk_event(event) {
                self.studio.start_training();
            }
        }
        for command in self.studio.training.take_desk() {
            self.desk.send(command);
        }
        if let Some(paths) = self.train.take_wanted_thumbnails() {
            self.desk.want_thumbnails(paths);
        }
    }

    /// Pauses what is being trained and keeps it; the pictures' table is saved. Dropping the desk
    /// waits until it is on the disk.
    pub(super) fn pause_trainings(&mut self) {
        self.studio.training.save_now();
        self.studio.pause_all_trainings();
        for command in self.studio.take_outbox() {
            self.link.send(command);
        }
        let since = Instant::now();
        while self.studio.training.is_active() && since.elapsed() < PATIENCE {
            if let Some(event) = self.link.wait_for_event(Duration::from_millis(100)) {
                self.studio.receive(event);
            }
        }
        for command in self.studio.training.take_desk() {
            self.desk.send(command);
        }
    }
}
