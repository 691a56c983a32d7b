//! One subject that no caption has ever named, in several pictures: what a personalization learns
//! from, and is measured by.
//!
//! Who it is follows from its seed and stays the same; where it is, its light, its mood and how it
//! is drawn change from picture to picture.

use std::fs;
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use vernier_engine::picture;
use vernier_engine::{EngineError, Result};
use vernier_world::{Background, Kind, SampleOptions, Scene, Subject};

use crate::pool::draw;

/// Seeds from here on belong to subjects; neither the pool nor folders draw them.
const SUBJECTS: u64 = 1 << 42;

/// A subject and its name.
#[derive(Debug, Clone)]
pub struct NamedSubject {
    /// The word that stands for it in captions, which the world's own never use.
    pub word: String,
    /// Which of all subjects of its kind it is.
    pub seed: u64,
    /// What it is.
    pub kind: Kind,
}

impl NamedSubject {
    /// The subject itself.
    pub fn subject(&self) -> Subject {
        let mut rng = ChaCha8Rng::seed_from_u64(SUBJECTS + self.seed);
        Subject::sample(&mut rng, self.kind)
    }

    /// What it is called, such as `zorb man`.
    pub fn name(&self) -> String {
        format!("{} {}", self.word, self.kind.noun())
    }

    /// Picture `number` of it: the scene, and its caption, which tells the place alone.
    pub fn scene(&self, number: u64) -> (Scene, String) {
        let mut rng = ChaCha8Rng::seed_from_u64(SUBJECTS + self.seed);
        rng.set_stream(1 + number);
        // The places in turn, so that no few pictures share one.
        let background = Background::ALL[(number as usize + 1) % Background::ALL.len()];
        let options = SampleOptions {
            two_subjects: 0.0,
            kinds: vec![self.kind],
            backgrounds: vec![background],
            ..SampleOptions::default()
        };
        let mut scene = Scene::sample(&mut rng, &options);
        let mut subject = self.subject();
        subject.smile = rng.random_range(0.2..=0.9);
        subject.eye_openness = rng.random_range(0.4..=0.8);
        scene.subjects = vec![subject];
        let place = match background {
            Background::Plain => "",
            Background::Beach => " on a beach",
            Background::Forest => " in a forest",
            Background::City => " in a city",
            Background::Room => " in a room",
        };
        (scene, format!("a {}{place}", self.name()))
    }

    /// Writes pictures 0 to `count` into `folder`, which is made where it is not there, each with
    /// its caption beside it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn export(&self, folder: &Path, count: u64) -> Result<()> {
        fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
        for number in 0..count {
            let (scene, caption) = self.scene(number);
            let path = folder.join(format!("{number:04}.png"));
            picture::save_sheet(&path, &[draw(&scene)], 1)?;
            let text = path.with_extension("txt");
            fs::write(&text, caption + "\n").map_err(|e| EngineError::io(&text, e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vernier_world::{Continuous, lexicon};

    use super::*;

    fn zorb() -> NamedSubject {
        NamedSubject {
            word: "zorb".to_owned(),
            seed: 1,
            kind: Kind::Man,
        }
    }

    #[test]
    fn the_subject_stays_and_the_rest_changes() {
        assert!(!lexicon().contains(&"zorb"));
        let zorb = zorb();
        let scenes: Vec<Scene> = (0..5).map(|at| zorb.scene(at).0).collect();
        let backgrounds: std::collections::BTreeSet<_> =
            scenes.iter().map(|scene| scene.background).collect();
        assert_eq!(backgrounds.len(), 5);
        for scene in &scenes {
            let own = scene.subjects[0];
            assert_eq!(own.hair_color, zorb.subject().hair_color);
            assert_eq!(
                scene.continuous(Some(0), Continuous::Age),
                Some(zorb.subject().age)
            );
        }
        let (_, caption) = zorb.scene(0);
        assert_eq!(caption, "a zorb man on a beach");
    }

    #[test]
    fn pictures_lie_beside_their_captions() {
        let folder = tempfile::tempdir().unwrap();
        zorb().export(folder.path(), 2).unwrap();
        let read = vernier_engine::train::folder::ImageFolder::list(folder.path()).unwrap();
        assert_eq!(read.rows[1].caption, "a zorb man in a forest");
    }
}
