//! Pictures to latents and measures, once: what a training reads at every step.

mod store;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

use self::store::{stored, write};
use super::{ImageFolder, PictureRow, read_picture};
use crate::measure::{ClipReader, Quantity, picture_tensor};
use crate::picture::Picture;
use crate::train::FrozenModel;
use crate::{EngineError, Result};

/// Pixels that go through the encoders at once.
const PIXELS_AT_ONCE: u32 = 1 << 20;
/// Pictures left out that are named one by one.
const NAMED: usize = 8;

/// What is to be known of the pictures.
pub struct Preparation<'a> {
    /// Whose autoencoder encodes them.
    pub model: &'a FrozenModel,
    /// Both of CLIP's towers and the folder that they were opened from, where features or a
    /// quantity need them.
    pub clip: Option<(&'a ClipReader, &'a Path)>,
    /// Whether the image tower's features are wanted.
    pub features: bool,
    /// What is measured.
    pub quantities: &'a [Quantity],
}

/// Raw measures of one quantity, one for each picture.
pub type Measured = Vec<f64>;

/// The pictures that could be read, as a training takes them.
#[derive(Debug)]
pub struct PreparedPictures {
    /// Numbers of the rows that they belong to, rising.
    pub kept: Vec<usize>,
    /// Posterior means, scaled as the U-Net sees them, `[pictures, channels, h, w]` in fp16 on the
    /// CPU.
    pub latents: Tensor,
    /// The image tower's features in the space shared with text, each dimension with mean 0 and
    /// deviation 1 over the pictures, `[pictures, projection_dim]` in fp32 on the CPU.
    pub features: Option<Tensor>,
    /// Of each quantity.
    pub measures: Vec<Measured>,
    /// What was left out and why, a sentence each.
    pub notes: Vec<String>,
}

impl Preparation<'_> {
    /// Reads, scales, encodes and measures the pictures of `folder`, or takes what `store` holds of
    /// an earlier time where nothing has changed since. `progress` hears how many are done; setting
    /// `stop` ends it.
    ///
    /// Pictures that cannot be read are left out and named in the notes.
    ///
    /// # Errors
    /// Not one picture can be read, `store` cannot be written, CLIP is needed and not there, memory
    /// runs out, or it was stopped ([`EngineError::Cancelled`]).
    pub fn run(
        &self,
        folder: &ImageFolder,
        store: &Path,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<PreparedPictures> {
        let _guard = tch::no_grad_guard();
        let fingerprint = self.fingerprint(&folder.rows);
        if let Some(stored) = stored(store, &fingerprint)? {
            return Ok(stored);
        }
        let prepared = self.make(folder, stop, progress)?;
        write(store, &fingerprint, &prepared)?;
        Ok(prepared)
    }

    fn make(
        &self,
        folder: &ImageFolder,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<PreparedPictures> {
        let size = self.model.picture_px();
        let at_once = (PIXELS_AT_ONCE / (size.0 * size.1)).max(1) as usize;
        let (mut kept, mut left_out) = (Vec::new(), Vec::new());
        let (mut latents, mut features) = (Vec::new(), Vec::new());
        let mut measures = vec![Vec::new(); self.quantities.len()];
        let mut batch: Vec<Picture> = Vec::new();
        for (at, row) in folder.rows.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Err(EngineError::Cancelled);
            }
            match read_picture(&row.path, size) {
                Ok(picture) => {
                    for (quantity, measured) in self.quantities.iter().zip(&mut measures) {
                        let clip = self.clip.map(|(clip, _)| clip);
                        measured.push(quantity.measure(&picture, clip)?);
                    }
                    kept.push(at);
                    batch.push(picture);
                }
                Err(error) => left_out.push(error.to_string()),
            }
            if batch.len() == at_once || at + 1 == folder.rows.len() {
                self.encode(&batch, &mut latents, &mut features)?;
                batch.clear();
                progress(at + 1);
            }
        }
        if kept.is_empty() {
            return Err(EngineError::bad_file(
                &folder.source,
                format!(
                    "not one of its {} pictures can be read; the first: {}",
                    folder.rows.len(),
                    left_out.first().map_or("", String::as_str)
                ),
            ));
        }
        let features = if self.features {
            Some(standardised(&Tensor::f_cat(&features, 0)?)?)
        } else {
            None
        };
        Ok(PreparedPictures {
            kept,
            latents: Tensor::f_cat(&latents, 0)?,
            features,
            measures,
            notes: notes(left_out),
        })
    }

    fn encode(
        &self,
        batch: &[Picture],
        latents: &mut Vec<Tensor>,
        features: &mut Vec<Tensor>,
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let pixels = picture_tensor(&batch.iter().collect::<Vec<_>>())?;
        let pixels = pixels.f_to_device(self.model.device)?;
        let vae = &self.model.vae;
        let mean = vae.scale(vae.encode(&pixels)?.mean())?;
        if !bool::try_from(mean.f_isfinite()?.f_all()?)? {
            return Err(EngineError::NotFinite {
                place: "encoder".to_owned(),
                problem: "the latents of a picture are not numbers; the VAE's weights are damaged"
                    .to_owned(),
            });
        }
        latents.push(mean.f_to_device(Device::Cpu)?.f_to_kind(Kind::Half)?);
        if self.features {
            let Some((clip, _)) = self.clip else {
                let problem = "the pictures' features take CLIP; name a folder with both of its \
                               towers with --clip";
                return Err(EngineError::request("clip", problem));
            };
            let seen = clip.picture_features(&pixels)?;
            features.push(seen.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?);
        }
        Ok(())
    }

    /// What tells whether stored results still hold: everything that they depend on, the files by
    /// size and time.
    fn fingerprint(&self, rows: &[PictureRow]) -> String {
        let files: Vec<String> = rows.iter().map(|row| stamp(&row.path)).collect();
        let clip = self.clip.map(|(_, folder)| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut stamps: Vec<String> = entries.map(|entry| stamp(&entry.path())).collect();
            stamps.sort();
            stamps
        });
        let all = json!({
            "model": self.model.hash,
            "size": self.model.picture_px(),
            "clip": clip,
            "features": self.features,
            "quantities": self.quantities,
            "files": files,
        });
        let digest = Sha256::digest(all.to_string().as_bytes());
        digest.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// A file's path, size and time.
fn stamp(path: &Path) -> String {
    let about = std::fs::metadata(path).ok();
    let changed = about.as_ref().and_then(|a| a.modified().ok());
    let length = about.map(|a| a.len());
    format!("{} {length:?} {changed:?}", path.display())
}

/// Each column with mean 0 and deviation 1; a column that never changes stays 0.
fn standardised(features: &Tensor) -> Result<Tensor> {
    let mean = features.f_mean_dim([0_i64].as_slice(), true, Kind::Float)?;
    let deviation = features.f_std_dim([0_i64].as_slice(), false, true)?;
    Ok(features
        .f_sub(&mean)?
        .f_div(&deviation.f_clamp_min(1e-6)?)?)
}

fn notes(left_out: Vec<String>) -> Vec<String> {
    let more = left_out.len().saturating_sub(NAMED);
    let mut notes: Vec<String> = left_out
        .into_iter()
        .take(NAMED)
        .map(|problem| format!("left out: {problem}"))
        .collect();
    if more > 0 {
        notes.push(format!(
            "left out: {more} more pictures that cannot be read"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::RgbImage;

    use super::*;
    use crate::checkpoint::tiny;

    struct Place {
        folder: tempfile::TempDir,
        model: FrozenModel,
    }

    impl Place {
        fn new(pictures: u8) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let model = folder.path().join("model");
            tiny::write_model(&model, 2).unwrap();
            fs::create_dir(folder.path().join("data")).unwrap();
            for at in 0..pictures {
                let image = RgbImage::from_pixel(70, 64, image::Rgb([at * 20, 9, 9]));
                let path = folder.path().join(format!("data/{at}.png"));
                image.save(path).unwrap();
            }
            let model = FrozenModel::load(&model, Kind::Float, Device::Cpu).unwrap();
            Self { folder, model }
        }

        /// Prepares, and says how often something was read.
        fn run(&self) -> Result<(PreparedPictures, usize)> {
            let data = ImageFolder::list(&self.folder.path().join("data")).unwrap();
            let preparation = Preparation {
                model: &self.model,
                clip: None,
                features: false,
                quantities: &[Quantity::Brightness, Quantity::Detail],
            };
            let store = self.folder.path().join("pictures.safetensors");
            let mut heard = 0;
            let stop = AtomicBool::new(false);
            let prepared = preparation.run(&data, &store, &stop, &mut |_| heard += 1)?;
            Ok((prepared, heard))
        }
    }

    #[test]
    fn pictures_are_encoded_and_measured_once() {
        let place = Place::new(3);
        let (first, heard) = place.run().unwrap();
        assert!(heard > 0);
        assert_eq!(first.latents.size(), [3, 4, 8, 8]);
        assert_eq!(first.kept, [0, 1, 2]);
        assert!((first.measures[0][2] - 40.0 / 255.0).abs() < 1e-12);
        assert!(first.measures[1][1].abs() < 1e-12);
        let (second, heard) = place.run().unwrap();
        assert_eq!(heard, 0);
        assert_eq!(second.latents, first.latents);
        assert_eq!((second.kept, second.measures), (first.kept, first.measures));
        // A picture that changed is read again, and all others with it.
        let image = RgbImage::from_pixel(64, 64, image::Rgb([255, 9, 9]));
        image.save(place.folder.path().join("data/1.png")).unwrap();
        let (third, heard) = place.run().unwrap();
        assert!(heard > 0 && (third.measures[0][1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_by_name_and_all_of_it_refused() {
        let place = Place::new(3);
        let data = place.folder.path().join("data");
        fs::write(data.join("1.png"), "no picture").unwrap();
        let (prepared, _) = place.run().unwrap();
        assert_eq!(prepared.kept, [0, 2]);
        assert!(prepared.notes[0].contains("1.png"), "{:?}", prepared.notes);
        // The notes are kept with the latents.
        assert_eq!(place.run().unwrap().0.notes, prepared.notes);
        for name in ["0.png", "2.png"] {
            fs::write(data.join(name), "no picture").unwrap();
        }
        let said = place.run().unwrap_err().to_string();
        assert!(said.contains("not one of its 3 pictures"), "{said}");
    }

    #[test]
    fn features_are_standardised_and_need_clip() {
        let x = Tensor::from_slice(&[1.0_f32, 5.0, 3.0, 5.0]).view([2, 2]);
        let got: Vec<f32> = Vec::try_from(standardised(&x).unwrap().view([-1])).unwrap();
        assert_eq!(got, [-1.0, 0.0, 1.0, 0.0]);
        let place = Place::new(1);
        let data = ImageFolder::list(&place.folder.path().join("data")).unwrap();
        let preparation = Preparation {
            model: &place.model,
            clip: None,
            features: true,
            quantities: &[],
        };
        let store = place.folder.path().join("p.safetensors");
        let stop = AtomicBool::new(false);
        let outcome = preparation.run(&data, &store, &stop, &mut |_| ());
        assert!(outcome.unwrap_err().to_string().contains("--clip"));
        stop.store(true, Ordering::Relaxed);
        let outcome = preparation.run(&data, &store, &stop, &mut |_| ());
        assert!(matches!(outcome, Err(EngineError::Cancelled)));
    }

    #[test]
    fn many_losses_are_counted() {
        let told = notes((0..10).map(|i| i.to_string()).collect());
        assert_eq!(told.len(), 9);
        assert!(told[8].contains("2 more"));
    }
}
