//! What is kept of a training in its work folder, so that it can be gone on with another day.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vernier_engine::atomic::{self, Existing};
use vernier_engine::control_training::{TrainingPlan, saved_step};
use vernier_engine::{EngineError, Result};

use super::losses::Losses;

/// The record's file in a work folder.
const FILE: &str = "run.json";

/// A training that is not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What is trained, and how.
    pub plan: TrainingPlan,
    /// Steps that the kept state has taken.
    pub step: u64,
    /// Losses so far.
    #[serde(default)]
    pub losses: Losses,
    /// Lines that it told.
    #[serde(default)]
    pub log: Vec<String>,
    /// Why it ended, where it failed.
    #[serde(default)]
    pub failure: Option<String>,
}

impl RunRecord {
    /// The record's file in the work folder `folder`.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Writes it into the work folder `folder`.
    ///
    /// # Errors
    /// The folder or file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
        let path = Self::path(folder);
        let text = serde_json::to_string(self)
            .map_err(|e| EngineError::bad_file(&path, format!("cannot be written: {e}")))?;
        atomic::write(&path, Existing::Replace, |file| {
            let written = file.write_all(text.as_bytes());
            written.map_err(|e| EngineError::io(&path, e))
        })?;
        Ok(())
    }

    /// The trainings below `folder` that are not done, with their work folders, by name; what is
    /// no record is passed over. How far a state is, the state itself knows best: a program that
    /// was killed wrote no record.
    pub fn find(folder: &Path) -> Vec<(PathBuf, Self)> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<(PathBuf, Self)> = entries
            .filter_map(|entry| {
                let work = entry.path();
                let text = std::fs::read_to_string(Self::path(&work)).ok()?;
                let mut record: Self = serde_json::from_str(&text)
                    .map_err(|e| log::warn!("{}: {e}", work.display()))
                    .ok()?;
                record.step = saved_step(&work).unwrap_or(0);
                record.losses.forget_after(record.step);
                Some((work, record))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

#[cfg(test)]
mod tests {
    use vernier_engine::control_training::{DirectionPlan, TrainingMethod};

    use super::*;

    #[test]
    fn records_are_found_and_other_folders_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut losses = Losses::default();
        losses.push(3, 0.5);
        let method = TrainingMethod::Direction(DirectionPlan::default());
        let record = RunRecord {
            plan: TrainingPlan::new("age", method),
            step: 3,
            losses,
            log: vec!["x".to_owned()],
            failure: None,
        };
        record.write(&folder.path().join("age")).unwrap();
        std::fs::create_dir(folder.path().join("other")).unwrap();
        std::fs::create_dir(folder.path().join("bad")).unwrap();
        std::fs::write(RunRecord::path(&folder.path().join("bad")), "{").unwrap();
        let found = RunRecord::find(folder.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.plan, record.plan);
        // There is no state, so it begins with the first step.
        assert_eq!((found[0].1.step, found[0].1.losses.len()), (0, 0));
    }
}
