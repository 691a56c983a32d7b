//! The pictures that recipes name, at hand by what they show.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Picture, read_image};
use crate::recipe::{PictureRef, Recipe, short_hash};
use crate::{EngineError, Result};

/// Pictures by their hash. Clones are the same shelf: what one is given, all have.
#[derive(Clone, Default)]
pub struct PictureShelf {
    kept: Arc<Mutex<HashMap<String, Arc<Picture>>>>,
}

impl std::fmt::Debug for PictureShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PictureShelf({} pictures)", self.kept().len())
    }
}

impl PictureShelf {
    /// Keeps `picture` and gives what a recipe calls it.
    pub fn insert(&self, picture: Picture) -> PictureRef {
        self.insert_shared(Arc::new(picture))
    }

    /// As [`Self::insert`], for a picture that others hold too.
    pub fn insert_shared(&self, picture: Arc<Picture>) -> PictureRef {
        let hash = picture.hash();
        self.kept().entry(hash.clone()).or_insert(picture);
        PictureRef {
            hash,
            ..PictureRef::default()
        }
    }

    /// Reads the picture in the file `path`, keeps it and gives what a recipe calls it.
    ///
    /// # Errors
    /// As [`read_image`].
    pub fn read(&self, path: &Path) -> Result<PictureRef> {
        let hash = self.insert(read_image(path)?).hash;
        Ok(PictureRef {
            hash,
            ..PictureRef::at(path)
        })
    }

    /// The picture that `wanted` names: one that is kept, or the one at its path, which is kept
    /// from then on.
    ///
    /// # Errors
    /// It is not kept, and there is no file at its path or it shows something else.
    pub fn get(&self, wanted: &PictureRef) -> Result<Arc<Picture>> {
        if let Some(found) = self.kept().get(&wanted.hash) {
            return Ok(Arc::clone(found));
        }
        let Some(path) = &wanted.path else {
            return Err(EngineError::request(
                "picture",
                format!(
                    "{} is not at hand, and the recipe does not say where it lies; open it, or \
                     write its path into the recipe",
                    short_hash(&wanted.hash)
                ),
            ));
        };
        let path = Path::new(path);
        if !path.is_file() {
            return Err(EngineError::request(
                "picture",
                format!(
                    "there is no file {}, which the recipe starts from, takes as a mask or reads as \
                     a prompt; put it there, or write its path into the recipe",
                    path.display()
                ),
            ));
        }
        let picture = Arc::new(read_image(path)?);
        let hash = picture.hash();
        if !wanted.hash.is_empty() && hash != wanted.hash {
            return Err(EngineError::request(
                "picture",
                format!(
                    "{} was changed since the recipe was made (it is {} and was {}); bring the old \
                     one back, or clear \"hash\" in the recipe to use the new one",
                    path.display(),
                    short_hash(&hash),
                    short_hash(&wanted.hash)
                ),
            ));
        }
        self.kept().insert(hash, Arc::clone(&picture));
        Ok(picture)
    }

    /// Lets go of every picture whose hash `is_needed` does not want.
    pub fn retain(&self, is_needed: impl Fn(&str) -> bool) {
        self.kept().retain(|hash, _| is_needed(hash));
    }

    /// Whether the picture of this hash is kept.
    pub fn holds(&self, hash: &str) -> bool {
        self.kept().contains_key(hash)
    }

    /// Finds every picture of `recipe` and fills in their hashes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn resolve(&self, recipe: &mut Recipe) -> Result<()> {
        self.name(recipe)?;
        for picture in recipe.pictures() {
            self.get(picture)?;
        }
        Ok(())
    }

    /// Fills in the hashes of the pictures of `recipe` that have none yet; the others need not be
    /// at hand.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn name(&self, recipe: &mut Recipe) -> Result<()> {
        for picture in recipe.pictures_mut() {
            if picture.hash.is_empty() {
                picture.hash = self.get(picture)?.hash();
            }
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Arc<Picture>>> {
        // Nothing is left half done where a holder panicked.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: u8) -> Picture {
        Picture {
            width_px: 2,
            height_px: 1,
            rgb: vec![value; 6],
        }
    }

    #[test]
    fn clones_share_and_pictures_are_known_by_what_they_show() {
        let shelf = PictureShelf::default();
        let name = shelf.clone().insert(picture(7));
        assert_eq!(*shelf.get(&name).unwrap(), picture(7));
        assert_eq!(shelf.insert(picture(7)), name);
        let other = shelf.insert(picture(8));
        assert_ne!(other.hash, name.hash);
        shelf.retain(|hash| hash == name.hash);
        assert!(shelf.get(&name).is_ok() && shelf.get(&other).is_err());
        // The size counts: 2 x 1 is not 1 x 2.
        let turned = Picture {
            width_px: 1,
            height_px: 2,
            ..picture(7)
        };
        assert_ne!(turned.hash(), picture(7).hash());
    }

    #[test]
    fn what_is_missing_or_changed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat.png");
        let image = |value| image::RgbImage::from_pixel(2, 1, image::Rgb([value; 3]));
        image(7).save(&path).unwrap();
        let name = PictureShelf::default().read(&path).unwrap();
        let said = |wanted: &PictureRef| {
            let error = PictureShelf::default().get(wanted).unwrap_err();
            assert!(error.is_usage());
            error.to_string()
        };
        assert_eq!(*PictureShelf::default().get(&name).unwrap(), picture(7));
        let unnamed = PictureRef {
            path: None,
            ..name.clone()
        };
        assert!(said(&unnamed).contains(&name.hash[..10]));
        image(9).save(&path).unwrap();
        assert!(said(&name).contains("changed") && said(&name).contains("cat.png"));
        let anything = PictureRef::at(&path);
        assert_eq!(*PictureShelf::default().get(&anything).unwrap(), picture(9));
        std::fs::remove_file(&path).unwrap();
        assert!(said(&name).contains("no file") && said(&name).contains("cat.png"));
    }
}
