//! Sheets of samples while the U-Net is trained, rendered as the program renders.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Tensor};
use vernier_engine::device::Dtype;
use vernier_engine::picture;
use vernier_engine::render::Renderer;
use vernier_engine::{EngineError, Result};

use super::console::say;
use crate::export;
use crate::sheet::Sampling;
use crate::workplace::Workplace;

/// What every sheet shows, each prompt with the same noise: kinds, graded attributes, light, and
/// pairs whose adjectives could be exchanged.
const PROMPTS: [&str; 12] = [
    "a smiling old man with grey hair on a beach",
    "a young woman with long red hair and glasses in a forest",
    "a boy with a green hat on a plain blue background",
    "a deeply frowning girl with short black hair in a room",
    "an orange cat in a room",
    "a broadly smiling brown dog in a forest",
    "a wide-eyed robot in a city",
    "a wide red car in a city",
    "a small stone house in a forest",
    "a huge green apple in a room, realistic",
    "a black cat next to a white dog in a room",
    "a smiling old man in green next to a young woman with red hair in blue",
];

/// Pictures in a row of the sheet.
const COLUMNS: u32 = 4;

/// How they are sampled: little guidance suits a young model.
const SAMPLING: Sampling = Sampling {
    steps: 20,
    guidance: 3.0,
};

/// Makes the sheets.
pub(super) struct Samples<'a> {
    place: &'a Workplace,
    device: Device,
    stop: &'a AtomicBool,
}

impl<'a> Samples<'a> {
    pub(super) fn new(place: &'a Workplace, device: Device, stop: &'a AtomicBool) -> Self {
        Self {
            place,
            device,
            stop,
        }
    }

    /// Writes `samples-<step>.png` from the U-Net's averaged parameters. What goes wrong is told
    /// and no more: the training is worth more than its pictures.
    pub(super) fn show(&self, step: u64, averages: &[(String, Tensor)]) {
        match self.write(step, averages) {
            Ok(path) => say(&format!("samples: {}", path.display())),
            Err(EngineError::Cancelled) => {}
            Err(error) => say(&format!("no samples at step {step}: {error}")),
        }
    }

    fn write(&self, step: u64, averages: &[(String, Tensor)]) -> Result<PathBuf> {
        let work = self.place.work();
        let folder = tempfile::Builder::new()
            .prefix("samples-model-")
            .tempdir_in(work)
            .map_err(|e| EngineError::io(work, e))?;
        for part in ["tokenizer", "text_encoder", "vae"] {
            copy_files(&self.place.out().join(part), &folder.path().join(part))?;
        }
        export::unet(folder.path(), averages)?;
        let mut renderer = Renderer::load(folder.path(), Dtype::F32, self.device)?;
        let mut pictures = Vec::with_capacity(PROMPTS.len());
        for (seed, prompt) in (0..).zip(PROMPTS) {
            let stop = || self.stop.load(Ordering::Relaxed);
            pictures.push(SAMPLING.render(&mut renderer, prompt, seed, stop)?);
        }
        let path = work.join(format!("samples-{step}.png"));
        picture::save_sheet(&path, &pictures, COLUMNS)?;
        Ok(path)
    }
}

/// Copies the files that lie directly in `from` to the new folder `to`.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(|e| EngineError::io(to, e))?;
    let io = |e| EngineError::io(from, e);
    for entry in fs::read_dir(from).map_err(io)? {
        let entry = entry.map_err(io)?;
        fs::copy(entry.path(), to.join(entry.file_name()))
            .map_err(|e| EngineError::io(entry.path(), e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tch::{Device, Kind};
    use vernier_engine::models::clip::ClipModel;
    use vernier_engine::models::unet::UNet;
    use vernier_engine::models::vae::Vae;
    use vernier_engine::weights::ParamStore;

    use super::{COLUMNS, PROMPTS, Samples};
    use crate::config::{PICTURE_PX, clip_config, unet_config, vae_config};
    use crate::export;
    use crate::vocabulary::Vocabulary;
    use crate::workplace::Workplace;

    #[test]
    fn the_prompts_use_the_worlds_words_only() {
        let lexicon: BTreeSet<&str> = vernier_world::lexicon().into_iter().collect();
        for prompt in PROMPTS {
            for word in vernier_world::words(prompt) {
                assert!(lexicon.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn a_sheet_is_rendered_from_the_averages_and_the_exported_rest() {
        let folder = tempfile::tempdir().unwrap();
        let place = Workplace::open(folder.path().join("work"), folder.path().join("out")).unwrap();
        let vocabulary = Vocabulary::of_the_world();
        vocabulary.save(&place.tokenizer()).unwrap();
        let fresh = || ParamStore::fresh(Kind::Float, Device::Cpu);
        let (clip, vae, unet) = (fresh(), fresh(), fresh());
        let words = vocabulary.tokens.len();
        ClipModel::new(&clip.root(), &clip_config(words).unwrap()).unwrap();
        Vae::new(&vae.root(), &vae_config().unwrap()).unwrap();
        UNet::new(&unet.root(), &unet_config().unwrap()).unwrap();
        export::clip(place.out(), &clip.named(), words).unwrap();
        export::vae(place.out(), &vae.named()).unwrap();

        let stop = AtomicBool::new(false);
        let samples = Samples::new(&place, Device::Cpu, &stop);
        samples.show(70, &unet.named());
        let sheet = image::open(place.work().join("samples-70.png")).unwrap();
        let rows = PROMPTS.len() as u32 / COLUMNS;
        let side = PICTURE_PX as u32;
        assert_eq!(
            (sheet.width(), sheet.height()),
            (COLUMNS * side, rows * side)
        );
        // The model that was rendered is gone, and a stopped run leaves no sheet.
        stop.store(true, Ordering::Relaxed);
        samples.show(80, &unet.named());
        assert_eq!(std::fs::read_dir(place.work()).unwrap().count(), 1);
    }
}
