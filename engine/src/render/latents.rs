//! Latents as plain numbers, which may leave the engine thread.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::{Result, weights};

/// One picture's final latents, as the sampler left them: before the VAE's scaling is undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// `[channels, h, w]`.
    pub shape: [usize; 3],
    /// `channels · h · w` values, row by row.
    pub values: Vec<f32>,
}

impl Latents {
    /// Copies latents `[1, channels, h, w]`.
    ///
    /// # Errors
    /// The tensor has another rank.
    pub fn from_tensor(latents: &Tensor) -> Result<Self> {
        let latents = latents
            .f_squeeze_dim(0)?
            .f_to_device(Device::Cpu)?
            .f_to_kind(Kind::Float)?
            .f_contiguous()?;
        let (channels, height, width) = latents.size3()?;
        let mut values = vec![0.0_f32; latents.numel()];
        let count = values.len();
        latents.f_copy_data(&mut values, count)?;
        Ok(Self {
            shape: [channels as usize, height as usize, width as usize],
            values,
        })
    }

    fn to_tensor(&self) -> Result<Tensor> {
        let shape = self.shape.map(|d| d as i64);
        Ok(Tensor::f_from_slice(&self.values)?.f_view(shape)?)
    }
}

/// Writes latents to a safetensors file, atomically.
///
/// Latents of one shape become one tensor `latents` `[pictures, channels, h, w]` in fp32; where
/// sizes differ, each becomes `latents.0`, `latents.1`, …, of shape `[1, channels, h, w]`.
///
/// # Errors
/// The folder cannot be written.
pub fn save_latents(path: &Path, all: &[Latents]) -> Result<()> {
    let same = all.windows(2).all(|pair| pair[0].shape == pair[1].shape);
    let tensors = all
        .iter()
        .map(Latents::to_tensor)
        .collect::<Result<Vec<_>>>()?;
    let named = if same && !tensors.is_empty() {
        vec![("latents".to_owned(), Tensor::f_stack(&tensors, 0)?)]
    } else {
        tensors
            .into_iter()
            .enumerate()
            .map(|(i, t)| Ok((format!("latents.{i}"), t.f_unsqueeze(0)?)))
            .collect::<Result<Vec<_>>>()?
    };
    weights::save(path, &named, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::SafetensorsFile;

    fn ramp(shape: [usize; 3]) -> Latents {
        let count: usize = shape.iter().product();
        Latents {
            shape,
            values: (0..count).map(|i| i as f32).collect(),
        }
    }

    #[test]
    fn latents_come_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.safetensors");
        let (first, other) = (ramp([4, 2, 3]), ramp([4, 1, 1]));
        save_latents(&path, &[first.clone(), first.clone()]).unwrap();
        let file = SafetensorsFile::open(&path).unwrap();
        assert_eq!(file.entries()["latents"].shape, [2, 4, 2, 3]);
        let tensor = file
            .tensor("latents", Kind::Float, Device::Cpu)
            .unwrap()
            .unwrap();
        let second = Latents::from_tensor(&tensor.narrow(0, 1, 1)).unwrap();
        assert_eq!(second, first);

        save_latents(&path, &[first, other]).unwrap();
        let file = SafetensorsFile::open(&path).unwrap();
        assert_eq!(file.entries()["latents.0"].shape, [1, 4, 2, 3]);
        assert_eq!(file.entries()["latents.1"].shape, [1, 4, 1, 1]);
    }
}
