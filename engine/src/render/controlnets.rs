//! The ControlNets that recipes have asked for, read once.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tch::{Device, Kind, Tensor};

use super::halves::SharedNet;
use super::layout;
use super::source::Frame;
use crate::checkpoint::{ControlNetFile, ControlNetLibrary};
use crate::models::controlnet::ControlNetConfig;
use crate::models::unet::UNet;
use crate::picture::{ControlMap, Mask, PictureShelf};
use crate::recipe::{ControlNetUse, Preprocessor, Recipe};
use crate::{EngineError, Result};

/// ControlNets kept at most that the last recipe does not use: each is a third of a U-Net.
const SPARE: usize = 1;

/// What tells whether a file or folder is still the one that was read.
type Stamp = (u64, Option<SystemTime>);

/// A ControlNet, read.
pub(super) struct LoadedNet {
    pub(super) hash: String,
    pub(super) config: ControlNetConfig,
    /// For the positive and for the negative half, over the same weights.
    pub(super) halves: [SharedNet; 2],
    /// What it saw last, by everything that decides it.
    last_hint: RefCell<Option<(String, Tensor)>>,
}

/// A ControlNet at work in one recipe.
pub(super) struct ResolvedNet {
    /// With its hash.
    pub(super) wanted: ControlNetUse,
    pub(super) loaded: Rc<LoadedNet>,
    /// What it sees of its picture, `[1, channels, h, w]`.
    pub(super) hint: Tensor,
}

/// Where maps come from.
pub(super) struct MapSource<'a> {
    pub(super) frame: Frame,
    /// Where the source may change, at the recipe's size and as it lies in the frame.
    pub(super) mask: Option<Mask>,
    pub(super) pictures: &'a PictureShelf,
    /// Side of the square of pixels that one latent stands for.
    pub(super) pixels_per_cell: i64,
}

/// All ControlNets at hand, the last used last.
#[derive(Default)]
pub(super) struct ControlNetShelf {
    library: ControlNetLibrary,
    loaded: Vec<(PathBuf, Stamp, Rc<LoadedNet>)>,
}

impl ResolvedNet {
    /// Everything that its residuals depend on beside what every picture of the recipe depends on.
    pub(super) fn key(&self) -> String {
        let used = &self.wanted;
        format!(
            "controlnet {}|{}|{}|{:?}",
            self.loaded.hash, used.picture.hash, used.preprocessor, used.weight
        )
    }
}

impl ControlNetShelf {
    pub(super) fn set_library(&mut self, library: ControlNetLibrary) {
        self.library = library;
    }

    /// Finds and reads the ControlNets of `recipe` that do something, for the model of `unet`; fills
    /// in hashes. `notes` hears of what the artist should know.
    pub(super) fn resolve(
        &mut self,
        recipe: &mut Recipe,
        maps: &MapSource<'_>,
        unet: &UNet,
        notes: &mut Vec<String>,
    ) -> Result<Vec<ResolvedNet>> {
        let mut resolved: Vec<ResolvedNet> = Vec::new();
        let size = (recipe.width_px, recipe.height_px);
        for used in recipe.controlnets.iter_mut().filter(|used| !used.is_idle()) {
            let path = self.library.find(used)?;
            // In use twice is in use.
            let most = resolved.len() + SPARE;
            let loaded = self.load(&path, unet, most)?;
            if !used.hash.is_empty() && used.hash != loaded.hash {
                notes.push(format!(
                    "controlnet {}: {} is another version than the recipe was made with, so the \
                     picture will differ",
                    used.name,
                    path.display()
                ));
            }
            used.hash.clone_from(&loaded.hash);
            let hint = loaded.hint(used, maps, size)?;
            resolved.push(ResolvedNet {
                wanted: used.clone(),
                loaded,
                hint,
            });
        }
        Ok(resolved)
    }

    /// The ControlNet at `path`; of the others `most` stay at hand.
    fn load(&mut self, path: &Path, unet: &UNet, most: usize) -> Result<Rc<LoadedNet>> {
        let stamp = stamp_of(path)?;
        let known = self.loaded.iter();
        let at = known.clone().position(|(own, _, _)| own == path);
        let found = match at {
            Some(at) => Some(self.loaded.remove(at)).filter(|(_, known, _)| *known == stamp),
            None => None,
        };
        let surplus = self.loaded.len().saturating_sub(most);
        self.loaded.drain(..surplus);
        let loaded = match found {
            Some((_, _, loaded)) => loaded,
            None => Rc::new(LoadedNet::read(path, unet)?),
        };
        let kept = (path.to_owned(), stamp, Rc::clone(&loaded));
        self.loaded.push(kept);
        Ok(loaded)
    }
}

impl LoadedNet {
    fn read(path: &Path, unet: &UNet) -> Result<Self> {
        let file = ControlNetFile::open(path)?;
        let options = unet.options();
        let lay_out = |store: &_| {
            if options.1 == Device::Cpu {
                layout::inputs_first(store)?;
            }
            Ok(())
        };
        let mut nets = file.load(unet.config(), options, 2, lay_out)?.into_iter();
        let (Some(positive), Some(negative)) = (nets.next(), nets.next()) else {
            return Err(EngineError::bad_file(path, "holds no ControlNet"));
        };
        Ok(Self {
            hash: file.hash()?,
            config: positive.config().clone(),
            halves: [positive, negative].map(|net| Arc::new(Mutex::new(net))),
            last_hint: RefCell::default(),
        })
    }

    /// What it sees of `used`'s picture at `size`.
    fn hint(
        &self,
        used: &ControlNetUse,
        maps: &MapSource<'_>,
        (width_px, height_px): (u32, u32),
    ) -> Result<Tensor> {
        let own_cell = self.config.pixels_per_cell();
        if own_cell != maps.pixels_per_cell {
            return Err(EngineError::request(
                format!("controlnet \"{}\"", used.name),
                format!(
                    "it sees {own_cell} pixels for one latent, and this model has {}; take one \
                     that was made for this model",
                    maps.pixels_per_cell
                ),
            ));
        }
        let mask = maps.mask.as_ref();
        let mask = mask.filter(|_| used.preprocessor == Preprocessor::Inpaint);
        let key = format!(
            "{}|{}|{width_px}x{height_px}|{:?}|{:?}",
            used.picture.hash,
            used.preprocessor,
            maps.frame,
            mask.map(|mask| mask.to_picture().hash()),
        );
        if let Some((known, hint)) = &*self.last_hint.borrow()
            && *known == key
        {
            return Ok(hint.shallow_clone());
        }
        let picture = maps.pictures.get(&used.picture)?;
        let fitted = maps.frame.picture(&picture.covering(width_px, height_px));
        let map = ControlMap::of(&fitted, used.preprocessor, mask);
        let net = self.halves[0]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let hint = net.hint(&map_tensor(&map)?)?;
        *self.last_hint.borrow_mut() = Some((key, hint.shallow_clone()));
        Ok(hint)
    }
}

/// `map` as `[1, 3, height, width]`, RGB in 0..1 and -1 in holes, fp32 on the CPU.
fn map_tensor(map: &ControlMap) -> Result<Tensor> {
    let picture = &map.picture;
    let (height, width) = (i64::from(picture.height_px), i64::from(picture.width_px));
    let pixels = Tensor::f_from_slice(&picture.rgb)?
        .f_view([1, height, width, 3])?
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?
        .f_div_scalar(255.0)?;
    let Some(holes) = &map.holes else {
        return Ok(pixels);
    };
    let holes = Tensor::f_from_slice(holes)?.f_view([1, 1, height, width])?;
    Ok(pixels.f_masked_fill(&holes, -1.0)?)
}

/// Of a folder that of what lies in it.
fn stamp_of(path: &Path) -> Result<Stamp> {
    let io = |e| EngineError::io(path, e);
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_dir() {
        return Ok((about.len(), about.modified().ok()));
    }
    let mut stamp = (0, about.modified().ok());
    for entry in std::fs::read_dir(path).map_err(io)? {
        let about = entry.and_then(|entry| entry.metadata()).map_err(io)?;
        stamp.0 += about.len();
        stamp.1 = stamp.1.max(about.modified().ok());
    }
    Ok(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;

    #[test]
    fn a_map_is_0_to_1_and_holes_are_told_apart() {
        let map = ControlMap {
            picture: Picture {
                width_px: 2,
                height_px: 1,
                rgb: vec![0, 51, 255, 255, 102, 0],
            },
            holes: Some(vec![false, true]),
        };
        let tensor = map_tensor(&map).unwrap();
        assert_eq!(tensor.size(), [1, 3, 1, 2]);
        let at = |channel, x| tensor.double_value(&[0, channel, 0, x]);
        assert!((at(1, 0) - 0.2).abs() < 1e-6 && (at(2, 0) - 1.0).abs() < 1e-6);
        assert!((0..3).all(|channel| (at(channel, 1) + 1.0).abs() < 1e-6));
    }
}
