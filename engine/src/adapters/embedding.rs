//! Textual-inversion embeddings (arXiv 2208.01618) in the layouts that artists have.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use super::file::{AdapterFile, BUNDLED, hash_of};
use crate::weights::TensorFile;
use crate::{EngineError, Result};

/// Names of the tensors of SDXL's two encoders.
const CLIP_L: &str = "clip_l";
const CLIP_G: &str = "clip_g";
/// Names of the others.
const A1111: &str = "string_to_param.";
const KOHYA: &str = "emb_params";

/// Vectors that stand for one word of a prompt.
#[derive(Debug)]
pub struct Embedding {
    /// SHA-256 of its file in hex.
    pub hash: String,
    path: PathBuf,
    /// `[n, width]` in fp32 on the CPU, for the encoder of that width; those of SDXL's two
    /// encoders in their order.
    vectors: Vec<Tensor>,
}

impl Embedding {
    /// Reads `path`: A1111's `.pt`, Python diffusers' `learned_embeds`, kohya's `emb_params`, or
    /// SDXL's `clip_l` and `clip_g`.
    ///
    /// # Errors
    /// The file is missing or damaged, or holds no embedding.
    pub fn read(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let headers = file.headers();
        let all: Vec<&str> = headers.iter().map(|header| header.name).collect();
        let chosen: Vec<&str> = if all.contains(&CLIP_L) || all.contains(&CLIP_G) {
            [CLIP_L, CLIP_G]
                .into_iter()
                .filter(|name| all.contains(name))
                .collect()
        } else if all.contains(&KOHYA) {
            vec![KOHYA]
        } else if let Some(name) = all.iter().find(|name| name.starts_with(A1111)) {
            vec![name]
        } else if let [only] = all[..] {
            vec![only]
        } else {
            let problem = format!(
                "is no textual-inversion embedding: it has {} tensors, such as {}",
                all.len(),
                all.first().copied().unwrap_or("none")
            );
            return Err(EngineError::bad_file(path, problem));
        };
        Self::of(path, hash_of(path, None)?, &chosen, |name| {
            file.require(name, Kind::Float, Device::Cpu)
        })
    }

    /// The embeddings that the LoRA in `file` brings along, by name.
    ///
    /// # Errors
    /// One of them is no embedding.
    pub fn bundled(file: &AdapterFile) -> Result<Vec<(String, Self)>> {
        let mut all: Vec<(String, Vec<&str>)> = Vec::new();
        for name in &file.bundled {
            let rest = name.strip_prefix(BUNDLED).unwrap_or(name);
            let word = rest.split('.').next().unwrap_or(rest);
            match all.iter_mut().find(|(known, _)| known == word) {
                Some((_, names)) => names.push(name),
                None => all.push((word.to_owned(), vec![name])),
            }
        }
        let embeddings = all.into_iter().map(|(word, mut names)| {
            // The first encoder's comes first.
            names.sort_by_key(|name| name.ends_with(CLIP_G));
            let read = |name: &str| file.tensor(name);
            Ok((
                word,
                Self::of(file.path(), file.hash.clone(), &names, read)?,
            ))
        });
        embeddings.collect()
    }

    fn of(
        path: &Path,
        hash: String,
        names: &[&str],
        read: impl Fn(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        let vectors = names.iter().map(|name| {
            let tensor = read(name)?;
            match tensor.size()[..] {
                [width] if width > 0 => Ok(tensor.f_reshape([1, width])?),
                [n, width] if n > 0 && width > 0 => Ok(tensor),
                ref shape => {
                    let problem = format!(
                        "is no textual-inversion embedding: {name} is {shape:?}, not vectors"
                    );
                    Err(EngineError::bad_file(path, problem))
                }
            }
        });
        Ok(Self {
            hash,
            vectors: vectors.collect::<Result<_>>()?,
            path: path.to_owned(),
        })
    }

    /// Vectors that stand for the word.
    pub fn count(&self) -> usize {
        self.vectors
            .first()
            .map_or(0, |vectors| vectors.size()[0] as usize)
    }

    /// Widths of the encoders that it is for.
    pub fn widths(&self) -> Vec<i64> {
        self.vectors
            .iter()
            .map(|vectors| vectors.size()[1])
            .collect()
    }

    /// Which text encoders it is for, in words.
    pub fn made_for(&self) -> String {
        let encoders = self.widths().into_iter().map(|width| match width {
            768 => "CLIP ViT-L of Stable Diffusion 1.x".to_owned(),
            1024 => "OpenCLIP ViT-H of Stable Diffusion 2.x".to_owned(),
            1280 => "OpenCLIP ViT-bigG of SDXL".to_owned(),
            width => format!("a text encoder of width {width}"),
        });
        match self.widths()[..] {
            [768, 1280] => "SDXL's two text encoders".to_owned(),
            _ => encoders.collect::<Vec<_>>().join(" and "),
        }
    }

    /// The vectors `[n, width]` for the encoder number `index` of a model, which has `width`.
    ///
    /// # Errors
    /// None of its vectors has that width.
    pub fn for_encoder(&self, index: usize, width: i64) -> Result<&Tensor> {
        let fits = |vectors: &&Tensor| vectors.size()[1] == width;
        let same_place = self.vectors.get(index).filter(fits);
        let found = same_place.or_else(|| self.vectors.iter().find(fits));
        found.ok_or_else(|| {
            let problem = format!(
                "is an embedding for {} and this model's text encoder has the width {width}; take \
                 one that was made for it",
                self.made_for()
            );
            EngineError::bad_file(&self.path, problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::save;

    #[test]
    fn the_layouts_of_safetensors_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat.safetensors");
        let vectors = |n: i64, width: i64| Tensor::ones([n, width], (Kind::Float, Device::Cpu));
        let write = |tensors: &[(&str, Tensor)]| {
            let tensors = tensors
                .iter()
                .map(|(n, t)| ((*n).to_owned(), t.shallow_clone()));
            save(&path, &tensors.collect::<Vec<_>>(), &[]).unwrap();
            Embedding::read(&path)
        };
        let kohya = write(&[("emb_params", vectors(3, 768))]).unwrap();
        assert_eq!((kohya.count(), kohya.widths()), (3, vec![768]));
        let diffusers = write(&[("<cat>", vectors(1, 32).reshape([32]))]).unwrap();
        assert_eq!((diffusers.count(), diffusers.widths()), (1, vec![32]));
        let sdxl = write(&[("clip_g", vectors(2, 1280)), ("clip_l", vectors(2, 768))]).unwrap();
        assert_eq!(sdxl.widths(), [768, 1280]);
        assert_eq!(sdxl.for_encoder(1, 1280).unwrap().size(), [2, 1280]);
        let said = sdxl.for_encoder(0, 1024).unwrap_err().to_string();
        assert!(
            said.contains("SDXL's two text encoders") && said.contains("1024"),
            "{said}"
        );
        let said = write(&[("a", vectors(1, 2)), ("b", vectors(1, 2))])
            .unwrap_err()
            .to_string();
        assert!(said.contains("no textual-inversion embedding"), "{said}");
        assert!(write(&[("a", vectors(2, 3).reshape([1, 2, 3]))]).is_err());
    }
}
