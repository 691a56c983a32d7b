//! What a project file holds of the studio.

use std::collections::BTreeSet;
use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::project::Project;

use super::super::{JobKind, NewPicture, ResultItem, Timeline};
use super::{Comparison, Scene, Shown, Studio};

impl Studio {
    /// Begins anew with what `project` holds; everything that waits or runs is cancelled.
    pub fn open_project(&mut self, mut project: Project) {
        self.queue.clear_pending();
        let running = self.queue.running();
        let is_live = running.is_some_and(|running| running.job.kind == JobKind::Live);
        // Nobody has stopped the live picture: it begins again with the new bench.
        self.cancel_running(is_live);
        self.bench = project.bench.clone();
        self.starred = project
            .results
            .iter()
            .filter(|entry| entry.starred)
            .map(|entry| entry.id.clone())
            .collect();
        let entries = std::mem::take(&mut project.results);
        self.results = entries
            .into_iter()
            .map(|entry| ResultItem::of(entry, None))
            .collect();
        self.project = project;
        self.removed.clear();
        self.unsaved.clear();
        self.pixels
            .opened(self.results.iter().map(|r| r.id.clone()));
        self.wanted_pixels.clear();
        self.asked_pixels.clear();
        self.pinned = None;
        self.comparison = Comparison::Off;
        self.edit.cancel();
        self.shown = Shown::Bench;
        self.live.again();
        let scene = self.scene();
        self.handed_over = Some((scene.clone(), self.results.len()));
        self.timeline = Timeline::new(scene);
        self.looked_at = None;
    }

    /// The project's name.
    pub fn project_name(&self) -> &str {
        &self.project.name
    }

    /// Gives the project another name.
    pub fn rename_project(&mut self, name: impl Into<String>) {
        self.project.name = name.into();
    }

    /// Whether something has changed since it was last handed over to be saved.
    pub fn needs_saving(&self) -> bool {
        let is_same = |(scene, results): &(Scene, usize)| {
            *results == self.results.len()
                && scene.bench == self.bench
                && scene.removed == self.removed
                && scene.starred == self.starred
        };
        !self.unsaved.is_empty() || !self.handed_over.as_ref().is_some_and(is_same)
    }

    /// The project as it is to be saved, with `layout`, and the pictures that the file does not
    /// hold yet.
    pub fn hand_over(&mut self, layout: serde_json::Value) -> (Project, Vec<NewPicture>) {
        let mut project = self.project.clone();
        project.bench = self.bench.clone();
        let results = self.results();
        project.results = results
            .map(|result| result.entry(self.is_starred(&result.id)))
            .collect();
        project.layout = layout;
        project.list_models();
        self.handed_over = Some((self.scene(), self.results.len()));
        let ids = project.results.iter().map(|entry| entry.id.clone());
        self.pixels.is_saving(ids);
        (project, std::mem::take(&mut self.unsaved))
    }

    /// What was handed over first is in the file now.
    pub fn saved(&mut self) {
        self.pixels.has_saved(true);
    }

    /// Saving did not work: these pictures are still to be saved.
    pub fn take_back(&mut self, pictures: Vec<NewPicture>) {
        self.pixels.has_saved(false);
        self.unsaved.splice(0..0, pictures);
    }

    /// Asks for the pixels of a kept picture that are still in the file; a frame may ask until they
    /// are there, and they are read once.
    pub fn want_pixels(&mut self, id: &str) {
        if self.asked_pixels.insert(id.to_owned()) {
            self.wanted_pixels.insert(id.to_owned());
        }
    }

    /// Kept pictures whose pixels are to be read; they are gone from here. Those that the file does
    /// not hold at the moment, as after undo, wait until it does.
    pub fn take_wanted_pixels(&mut self) -> BTreeSet<String> {
        let wanted = std::mem::take(&mut self.wanted_pixels).into_iter();
        let (ready, later) = wanted.partition(|id| self.pixels.is_in_file(id));
        self.wanted_pixels = later;
        ready
    }

    /// The pixels of a kept picture have been read.
    pub fn set_pixels(&mut self, id: &str, picture: Arc<Picture>) {
        if let Some(result) = self.results.iter_mut().find(|result| result.id == id) {
            result.picture = Some(picture);
            self.pixels.touch(id);
        }
    }

    /// Asks for the pixels of the shown result, and lets go of those that nobody has looked at for
    /// long where they take too much memory.
    pub(super) fn look_after_pixels(&mut self) {
        if let Some(result) = self.shown_result() {
            let (id, is_there) = (result.id.clone(), result.picture.is_some());
            self.pixels.touch(&id);
            if !is_there {
                self.want_pixels(&id);
            }
        }
        let stays = |result: &ResultItem| {
            let is_pinned = match (&self.pinned, &result.picture) {
                (Some(pinned), Some(picture)) => Arc::ptr_eq(pinned, picture),
                _ => false,
            };
            is_pinned || matches!(&self.shown, Shown::Result(id) if *id == result.id)
        };
        for id in self.pixels.surplus(&self.results, stays) {
            self.asked_pixels.remove(&id);
            let mut results = self.results.iter_mut();
            if let Some(result) = results.find(|result| result.id == id) {
                result.picture = None;
            }
        }
    }
}
