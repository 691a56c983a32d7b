//! Pictures that were made: those that are kept, and the bench's latest.

use std::collections::VecDeque;
use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::project::ResultEntry;
use vernier_engine::recipe::Recipe;

use super::EditOutcome;

/// So many of the bench's pictures are remembered, for undo.
const BENCH_CAPACITY: usize = 64;

/// So many bytes of them, too, but for the latest.
const BENCH_BYTES: usize = 256 << 20;

/// A picture that is kept.
#[derive(Debug, Clone)]
pub struct ResultItem {
    /// Its name in the project.
    pub id: String,
    /// What made it, resolved.
    pub recipe: Arc<Recipe>,
    /// Its pixels, once they have been read from the project.
    pub picture: Option<Arc<Picture>>,
    /// How long it took in seconds.
    pub secs: f64,
    /// When it was made, in seconds since 1970.
    pub made_at_unix_secs: u64,
    unknown: serde_json::Map<String, serde_json::Value>,
}

impl ResultItem {
    /// What a project says of a picture; its pixels come later.
    pub fn of(entry: ResultEntry, picture: Option<Arc<Picture>>) -> Self {
        Self {
            id: entry.id,
            recipe: Arc::new(entry.recipe),
            picture,
            secs: entry.secs,
            made_at_unix_secs: entry.made_at_unix_secs,
            unknown: entry.unknown,
        }
    }

    /// The same for a project.
    pub fn entry(&self, starred: bool) -> ResultEntry {
        ResultEntry {
            id: self.id.clone(),
            recipe: (*self.recipe).clone(),
            secs: self.secs,
            made_at_unix_secs: self.made_at_unix_secs,
            starred,
            unknown: self.unknown.clone(),
        }
    }
}

/// A picture that the project file does not hold yet.
#[derive(Debug, Clone)]
pub struct NewPicture {
    /// Its name in the project.
    pub id: String,
    /// The pixels.
    pub picture: Arc<Picture>,
    /// What made it.
    pub recipe: Arc<Recipe>,
}

/// Pictures of the bench by the recipe that was on it, the newest first.
#[derive(Debug, Default)]
pub struct BenchPictures {
    newest_first: VecDeque<(Recipe, Made)>,
}

/// A picture and what is known about its making.
#[derive(Debug, Clone)]
pub struct Made {
    /// The pixels.
    pub picture: Arc<Picture>,
    /// The recipe with hashes and settings resolved.
    pub recipe: Arc<Recipe>,
    /// How long it took in seconds.
    pub secs: f64,
    /// What an edit by words did, where it was one.
    pub edit: Option<Arc<EditOutcome>>,
}

impl BenchPictures {
    /// Remembers the picture of the bench `recipe`.
    pub fn insert(&mut self, recipe: Recipe, made: Made) {
        self.newest_first.retain(|(known, _)| *known != recipe);
        self.newest_first.push_front((recipe, made));
        let mut bytes = 0;
        let all = self.newest_first.iter().take(BENCH_CAPACITY);
        let fitting = all.take_while(|(_, made)| {
            bytes += made.picture.rgb.len();
            bytes += made.edit.as_ref().map_or(0, |edit| edit.bytes());
            bytes <= BENCH_BYTES
        });
        let fitting = fitting.count().max(1);
        self.newest_first.truncate(fitting);
    }

    /// Forgets the pictures of recipes for which `is_other` holds.
    pub(super) fn forget(&mut self, is_other: impl Fn(&Recipe) -> bool) {
        self.newest_first.retain(|(known, _)| !is_other(known));
    }

    /// The benches whose pictures are remembered.
    pub fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        self.newest_first.iter().map(|(recipe, _)| recipe)
    }

    /// The picture of the bench `recipe`.
    pub fn get(&self, recipe: &Recipe) -> Option<&Made> {
        let mut all = self.newest_first.iter();
        all.find(|(known, _)| known == recipe).map(|(_, made)| made)
    }
}

/// The picture by whole-number box averaging, at most `most_px` on its longer side and as near to
/// it as that goes.
pub(crate) fn reduced(picture: &Picture, most_px: u32) -> Picture {
    let (width, height) = (picture.width_px, picture.height_px);
    let by = width.max(height).div_ceil(most_px).max(1);
    let (w, h) = ((width / by).max(1), (height / by).max(1));
    let mut rgb = Vec::with_capacity((w * h * 3) as usize);
    for y in 0..h {
        for x in 0..w {
            for channel in 0..3 {
                let (mut sum, mut count) = (0_u32, 0_u32);
                for dy in 0..by.min(height) {
                    for dx in 0..by.min(width) {
                        let at = ((y * by + dy) * width + x * by + dx) * 3 + channel;
                        sum += u32::from(picture.rgb.get(at as usize).copied().unwrap_or(0));
                        count += 1;
                    }
                }
                rgb.push((sum / count.max(1)) as u8);
            }
        }
    }
    Picture {
        width_px: w,
        height_px: h,
        rgb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_average_and_keep_their_shape() {
        let picture = Picture {
            width_px: 320,
            height_px: 160,
            rgb: (0..320 * 160 * 3)
                .map(|i| if (i / 3) % 2 == 0 { 0 } else { 200 })
                .collect(),
        };
        let small = reduced(&picture, 160);
        assert_eq!((small.width_px, small.height_px), (160, 80));
        assert!(small.rgb.iter().all(|value| *value == 100));
    }
}
