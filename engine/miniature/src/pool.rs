//! The pool: scenes drawn once to a file that training reads at random.
//!
//! Entry `2i` is a fresh scene and entry `2i + 1` one of its variations (one attribute changed,
//! colours or sides exchanged), so a batch of neighbours holds its own hard negatives.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use vernier_world::{SampleOptions, Scene, Variation};

use crate::config::PICTURE_PX;

/// Bytes of one picture.
pub const PICTURE_BYTES: usize = (PICTURE_PX * PICTURE_PX * 3) as usize;

/// Seeds from here on are never drawn for training.
pub const HELD_OUT: u64 = 1 << 40;

/// Scenes and their pictures.
#[derive(Debug)]
pub struct Pool {
    scenes: Vec<Scene>,
    pixels: Tensor,
}

/// The scene pair with number `pair`: a fresh one and a variation of it.
pub fn scene_pair(pair: u64) -> [Scene; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(pair);
    let scene = Scene::sample(&mut rng, &SampleOptions::default());
    let (swaps, changes): (Vec<_>, Vec<_>) = scene
        .variations(&mut rng)
        .into_iter()
        .partition(|(variation, _)| !matches!(variation, Variation::Attribute(..)));
    // Who has which colour is what a text tower learns last: show it often.
    let mut chosen = if !swaps.is_empty() && rng.random_bool(0.4) { swaps } else { changes };
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

impl Pool {
    /// Draws pairs `first..first + pairs` into `path`, unless it already holds that many.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn draw(path: &Path, first: u64, pairs: u64, mut progress: impl FnMut(u64)) -> Result<()> {
        let size = pairs * 2 * PICTURE_BYTES as u64;
        if path.metadata().is_ok_and(|m| m.len() == size) {
            return Ok(());
        }
        let temporary = path.with_extension("tmp");
        let file = File::create(&temporary).with_context(|| format!("creating {}", temporary.display()))?;
        let mut out = BufWriter::new(file);
        for pair in first..first + pairs {
            for scene in scene_pair(pair) {
                out.write_all(&scene.render().rgb)?;
            }
            progress(pair - first + 1);
        }
        out.into_inner()?.sync_all()?;
        std::fs::rename(&temporary, path)?;
        Ok(())
    }

    /// Opens a file that [`Pool::draw`] wrote with the same `first` and `pairs`.
    ///
    /// # Errors
    /// The file is missing or of another size.
    pub fn open(path: &Path, first: u64, pairs: u64) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            bytes.len() == pairs as usize * 2 * PICTURE_BYTES,
            "{}: holds another number of pictures; delete it and draw the pool again",
            path.display()
        );
        let shape = [pairs as i64 * 2, PICTURE_PX, PICTURE_PX, 3];
        let pixels = Tensor::f_from_data_size(&bytes, &shape, Kind::Uint8)?;
        let scenes = (first..first + pairs).flat_map(scene_pair).collect();
        Ok(Self { scenes, pixels })
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

    /// Another handle on the same pictures, for another thread.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { scenes: self.scenes.clone(), pixels: self.pixels.shallow_clone() }
    }

    /// Pictures `[batch, 3, 128, 128]` in -1..1, fp32, on the CPU.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn pictures(&self, indices: &[usize]) -> Result<Tensor> {
        let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        let chosen = self.pixels.f_index_select(0, &Tensor::from_slice(&indices))?;
        normalise(&chosen)
    }
}

/// u8 `[batch, height, width, 3]` to fp32 `[batch, 3, height, width]` in -1..1.
///
/// # Errors
/// libtorch runs out of memory.
pub fn normalise(pixels: &Tensor) -> Result<Tensor> {
    let float = pixels.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?;
    Ok(float.f_div_scalar(127.5)?.f_sub_scalar(1.0)?.f_contiguous()?)
}

/// A scene's picture as u8 `[128, 128, 3]`.
///
/// # Errors
/// libtorch runs out of memory.
pub fn pixels_of(scene: &Scene) -> Result<Tensor> {
    let picture = scene.render();
    let shape = [picture.height as i64, picture.width as i64, 3];
    Ok(Tensor::f_from_data_size(&picture.rgb, &shape, Kind::Uint8)?)
}
