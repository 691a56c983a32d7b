//! Measures the miniature on held-out scenes: what the prompt asks for against what the meter
//! reads in the picture.

mod personal;
mod scores;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Device;
use vernier_engine::Result;
use vernier_engine::measure::AttributeMeter;
use vernier_engine::picture::Picture;
use vernier_world::{Caption, CaptionOptions, SampleOptions, Scene, caption};

use crate::pool::{held_out_scene, normalise, pixels};
pub(crate) use personal::change;
pub use personal::{Personal, SubjectMeter};
pub use scores::{Readings, Scores};

/// The first of the held-out scenes that prompts are made of; the gate has others.
const FIRST_PROMPT: u64 = 1 << 20;

/// How much the prompts say: a few attributes, not all, as people write them.
const COMPLETENESS: f32 = 0.6;

/// The scene and caption of held-out prompt `index`; even ones have one subject, odd ones two.
pub fn held_out_prompt(index: u64) -> (Scene, Caption) {
    let options = SampleOptions {
        two_subjects: if index % 2 == 1 { 1.0 } else { 0.0 },
        ..SampleOptions::default()
    };
    let scene = held_out_scene(FIRST_PROMPT | index, &options);
    let mut rng = ChaCha8Rng::seed_from_u64(index);
    let options = CaptionOptions {
        completeness: COMPLETENESS,
        ..CaptionOptions::default()
    };
    let caption = caption(&scene, &mut rng, &options);
    (scene, caption)
}

/// Scores pictures against what was asked of them.
#[derive(Debug)]
pub struct Evaluation {
    meter: AttributeMeter,
    device: Device,
    scores: Scores,
}

impl Evaluation {
    /// Nothing scored yet; `meter`, which lies on `device`, is what reads the pictures.
    pub fn new(meter: AttributeMeter, device: Device) -> Self {
        let scores = Scores::default();
        Self {
            meter,
            device,
            scores,
        }
    }

    /// Adds a picture of `scene` that `caption` asked for.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn add(&mut self, scene: &Scene, caption: &Caption, picture: &Picture) -> Result<()> {
        let picture = normalise(&pixels(picture)?.f_unsqueeze(0)?)?;
        let picture = picture.f_to_device(self.device)?;
        let readings = Readings::of(&self.meter, scene.subjects.len(), &picture)?;
        self.scores.add(scene, caption, &readings);
        Ok(())
    }

    /// What was scored so far.
    pub fn scores(&self) -> &Scores {
        &self.scores
    }
}
