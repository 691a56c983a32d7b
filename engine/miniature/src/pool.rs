//! The pool: scenes drawn once to a file that training reads at random.
//!
//! Entry `2i` is a fresh scene and entry `2i + 1` one of its variations (one attribute changed,
//! colours or sides exchanged), so a batch of neighbours holds its own hard negatives.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::atomic::{self, Existing};
use vernier_engine::picture::Picture;
use vernier_engine::render::Flow;
use vernier_engine::{EngineError, Result};
use vernier_world::{SampleOptions, Scene, Variation};

use crate::config::PICTURE_PX;

/// Bytes of one picture.
pub const PICTURE_BYTES: usize = (PICTURE_PX * PICTURE_PX * 3) as usize;

/// Seeds from here on are never drawn for training.
pub const HELD_OUT: u64 = 1 << 40;

/// Entries that are compared with freshly drawn pictures when a pool is opened.
const COMPARED: usize = 6;

/// Mean difference, in grey levels of 255, from which on a stored picture shows another scene:
/// small changes to how things are drawn stay far below it.
const OTHER_SCENE: f64 = 12.0;

/// Scenes and their pictures.
#[derive(Debug)]
pub struct Pool {
    scenes: Arc<[Scene]>,
    pixels: Tensor,
}

/// Fraction of two-subject scenes whose variation is an exchange between the subjects.
const SWAP_FRACTION: f64 = 0.4;

/// The scene pair with number `pair`: a fresh one and a variation of it.
pub fn scene_pair(pair: u64) -> [Scene; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(pair);
    let scene = Scene::sample(&mut rng, &SampleOptions::default());
    let (swaps, changes): (Vec<_>, Vec<_>) = scene
        .variations(&mut rng)
        .into_iter()
        .partition(|(variation, _)| !matches!(variation, Variation::Attribute(..)));
    // Who has which colour is what a text tower learns last: show it often.
    let mut chosen = if !swaps.is_empty() && rng.random_bool(SWAP_FRACTION) {
        swaps
    } else {
        changes
    };
    let varied = if chosen.is_empty() {
        scene.clone()
    } else {
        let index = rng.random_range(0..chosen.len());
        chosen.swap_remove(index).1
    };
    [scene, varied]
}

/// A scene that training never sees.
pub fn held_out_scene(index: u64, options: &SampleOptions) -> Scene {
    Scene::sample(&mut ChaCha8Rng::seed_from_u64(HELD_OUT + index), options)
}

/// `count` pictures that training never sees, `[count, 3, 128, 128]` in -1..1.
///
/// # Errors
/// libtorch runs out of memory.
pub fn held_out_pictures(count: u64) -> Result<Tensor> {
    let pixels = (0..count)
        .map(|i| pixels(&draw(&held_out_scene(i, &SampleOptions::default()))))
        .collect::<Result<Vec<_>>>()?;
    normalise(&Tensor::f_stack(&pixels, 0)?)
}

impl Pool {
    /// Draws `pairs` pairs into `path`, unless it already holds that many; `progress` hears how
    /// many are done.
    ///
    /// # Errors
    /// The file cannot be written, or `progress` cancelled.
    pub fn draw(path: &Path, pairs: u64, mut progress: impl FnMut(u64) -> Flow) -> Result<()> {
        let size = pairs * 2 * PICTURE_BYTES as u64;
        if path.metadata().is_ok_and(|m| m.len() == size) {
            return Ok(());
        }
        atomic::write(path, Existing::Replace, |file| {
            for pair in 0..pairs {
                for scene in scene_pair(pair) {
                    file.write_all(&scene.render().rgb)
                        .map_err(|e| EngineError::io(path, e))?;
                }
                if progress(pair + 1) == Flow::Cancel {
                    return Err(EngineError::Cancelled);
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Opens a file that [`Pool::draw`] wrote with the same number of `pairs`.
    ///
    /// # Errors
    /// The file is missing, of another size, or shows other scenes than this program draws.
    pub fn open(path: &Path, pairs: u64) -> Result<Self> {
        let io = |e| EngineError::io(path, e);
        let file = File::open(path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len();
        let pair_bytes = 2 * PICTURE_BYTES as u64;
        if found != pairs * pair_bytes {
            let problem = if found % pair_bytes == 0 {
                let there = found / pair_bytes;
                format!("holds {there} pairs, not {pairs}; say --pairs {there} or draw it again")
            } else {
                "holds no whole number of pairs; delete it and run the stage \"pool\" again"
                    .to_owned()
            };
            return Err(EngineError::bad_file(path, problem));
        }
        // Piece by piece, for the whole file twice in memory may be too much.
        let count = pairs as i64 * 2;
        let options = (Kind::Uint8, Device::Cpu);
        let pixels = Tensor::f_empty([count, PICTURE_PX, PICTURE_PX, 3], options)?;
        let mut reader = BufReader::new(file);
        let mut bytes = vec![0; pair_bytes as usize];
        for pair in 0..pairs as i64 {
            reader.read_exact(&mut bytes).map_err(io)?;
            let mut place = pixels.f_narrow(0, 2 * pair, 2)?.f_view([-1])?;
            place.f_copy_(&Tensor::f_from_slice(&bytes)?)?;
        }
        let pool = Self {
            scenes: (0..pairs).flat_map(scene_pair).collect(),
            pixels,
        };
        pool.compare_with_world(path)?;
        Ok(pool)
    }

    /// Fails where the stored pictures are not those of the scenes, as after a change of the
    /// world's random numbers: captions would then speak of something else.
    fn compare_with_world(&self, path: &Path) -> Result<()> {
        for entry in 0..self.len().min(COMPARED) {
            let drawn = pixels(&draw(self.scene(entry)))?.f_to_kind(Kind::Float)?;
            let stored = self.pixels.f_get(entry as i64)?.f_to_kind(Kind::Float)?;
            let difference = drawn.f_sub(&stored)?.f_abs()?.f_mean(Kind::Float)?;
            if f64::try_from(difference)? > OTHER_SCENE {
                return Err(EngineError::bad_file(
                    path,
                    "shows scenes of another version of the world; \
                     delete it and run the stage \"pool\" again",
                ));
            }
        }
        Ok(())
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Whether the pool is empty.
    pub fn is_empty(&self) -> bool {
        self.scenes.is_empty()
    }

    /// The scene of entry `index`.
    pub fn scene(&self, index: usize) -> &Scene {
        &self.scenes[index]
    }

    /// Another handle on the same scenes and pictures, for another thread.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            scenes: Arc::clone(&self.scenes),
            pixels: self.pixels.shallow_clone(),
        }
    }

    /// `count` entries by chance; one may come twice.
    pub fn choose(&self, rng: &mut impl Rng, count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| rng.random_range(0..self.len()))
            .collect()
    }

    /// Pictures `[batch, 3, 128, 128]` in -1..1, fp32, on the CPU.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn pictures(&self, indices: &[usize]) -> Result<Tensor> {
        let chosen = self.pixels.f_index_select(0, &rows(indices)?)?;
        normalise(&chosen)
    }
}

/// Indices as an int64 tensor.
///
/// # Errors
/// libtorch runs out of memory.
pub fn rows(indices: &[usize]) -> Result<Tensor> {
    let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
    Ok(Tensor::f_from_slice(&indices)?)
}

/// u8 `[batch, height, width, 3]` to fp32 `[batch, 3, height, width]` in -1..1.
///
/// # Errors
/// libtorch runs out of memory.
pub fn normalise(pixels: &Tensor) -> Result<Tensor> {
    let float = pixels.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?;
    Ok(float
        .f_div_scalar(127.5)?
        .f_sub_scalar(1.0)?
        .f_contiguous()?)
}

/// A scene's picture.
pub fn draw(scene: &Scene) -> Picture {
    let drawn = scene.render();
    Picture {
        width_px: drawn.width as u32,
        height_px: drawn.height as u32,
        rgb: drawn.rgb,
    }
}

/// A picture as u8 `[height, width, 3]`.
///
/// # Errors
/// The picture holds another number of bytes than its size says.
pub fn pixels(picture: &Picture) -> Result<Tensor> {
    let shape = [picture.height_px.into(), picture.width_px.into(), 3];
    Ok(Tensor::f_from_slice(&picture.rgb)?.f_view(shape)?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tch::Tensor;
    use vernier_engine::EngineError;
    use vernier_engine::render::Flow;

    use super::{Pool, draw, normalise, pixels, scene_pair};

    fn drawn(pairs: u64) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.rgb");
        Pool::draw(&path, pairs, |_| Flow::Continue).unwrap();
        (folder, path)
    }

    #[test]
    fn an_entry_is_the_same_scene_and_picture_whenever_it_is_opened() {
        let (_folder, path) = drawn(3);
        let pool = Pool::open(&path, 3).unwrap();
        let again = Pool::open(&path, 3).unwrap();
        assert_eq!(pool.len(), 6);
        for pair in 0..3 {
            let [fresh, varied] = scene_pair(pair as u64);
            assert_eq!(
                (pool.scene(2 * pair), pool.scene(2 * pair + 1)),
                (&fresh, &varied)
            );
            assert_ne!(fresh, varied);
            let pictures = pool.pictures(&[2 * pair, 2 * pair + 1]).unwrap();
            let pixels = [&fresh, &varied].map(|scene| pixels(&draw(scene)).unwrap());
            let want = normalise(&Tensor::stack(&pixels, 0)).unwrap();
            assert_eq!(pictures, want);
            assert_eq!(pictures, again.pictures(&[2 * pair, 2 * pair + 1]).unwrap());
        }
    }

    #[test]
    fn pictures_span_minus_one_to_one_channel_by_channel() {
        let pixels = Tensor::from_slice(&[0_u8, 255, 51, 255, 0, 51]).view([1, 1, 2, 3]);
        let values: Vec<f32> = Vec::try_from(normalise(&pixels).unwrap().view([-1])).unwrap();
        let want = [-1.0, 1.0, 1.0, -1.0, -0.6, -0.6];
        for (got, want) in values.iter().zip(want) {
            assert!((got - want).abs() < 1e-6, "{values:?}");
        }
    }

    #[test]
    fn a_pool_of_another_size_is_refused_with_the_size_it_has() {
        let (_folder, path) = drawn(2);
        let sentence = Pool::open(&path, 3).unwrap_err().to_string();
        assert!(sentence.contains("holds 2 pairs, not 3"), "{sentence}");
        std::fs::write(&path, "abc").unwrap();
        let sentence = Pool::open(&path, 3).unwrap_err().to_string();
        assert!(sentence.contains("no whole number of pairs"), "{sentence}");
    }

    #[test]
    fn pictures_of_other_scenes_are_refused() {
        let (_folder, path) = drawn(3);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 3;
        bytes.rotate_left(middle);
        std::fs::write(&path, bytes).unwrap();
        let sentence = Pool::open(&path, 3).unwrap_err().to_string();
        assert!(
            sentence.contains("another version of the world"),
            "{sentence}"
        );
    }

    #[test]
    fn a_cancelled_drawing_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.rgb");
        let error = Pool::draw(&path, 5, |_| Flow::Cancel).unwrap_err();
        assert!(matches!(error, EngineError::Cancelled));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
