//! Work that recipes share: the latents where a control begins, kept for the next recipe that
//! agrees up to there.

use tch::Tensor;

use crate::recipe::{MaskUse, Recipe, WalkOptions};

/// Snapshots kept at most.
const MOST: usize = 24;

/// A walk, stopped before one call.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The call that comes next.
    pub(super) at: usize,
    /// The latents before it, `[1, channels, h, w]` in fp32.
    pub(super) latents: Tensor,
    /// What the sampler was given at every call before: one that remembers is led through them
    /// again.
    pub(super) seen: Vec<Seen>,
}

/// A sampler's input at one call.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) output: Tensor,
    pub(super) sample: Tensor,
}

impl Seen {
    pub(super) fn shallow_clone(&self) -> Self {
        Self {
            output: self.output.shallow_clone(),
            sample: self.sample.shallow_clone(),
        }
    }
}

/// Snapshots by everything that fed them, the last used last.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    kept: Vec<(String, Snapshot)>,
}

impl Snapshots {
    /// The snapshot of `key`.
    pub(super) fn get(&mut self, key: &str) -> Option<&Snapshot> {
        let at = self.kept.iter().position(|(own, _)| own == key)?;
        let found = self.kept.remove(at);
        self.kept.push(found);
        self.kept.last().map(|(_, snapshot)| snapshot)
    }

    /// Keeps a snapshot; the one that was used longest ago makes room.
    pub(super) fn keep(&mut self, key: String, snapshot: Snapshot) {
        self.kept.retain(|(own, _)| *own != key);
        if self.kept.len() >= MOST {
            self.kept.remove(0);
        }
        self.kept.push((key, snapshot));
    }
}

/// What the latents of one model depend on, the controls aside.
pub(super) fn everything_but_controls(recipe: &Recipe) -> String {
    format!(
        "{:?}",
        (
            (&recipe.prompt, &recipe.model.prediction_type),
            &recipe.negative_prompt,
            recipe.seed,
            (recipe.width_px, recipe.height_px),
            recipe.steps,
            recipe.guidance_scale,
            &recipe.sampler,
            (of_walk(&recipe.walk), recipe.text),
            recipe.source.as_ref().map(|source| {
                let mask = source.mask.as_ref().map(of_mask);
                let only = source.only_masked;
                (&source.picture.hash, source.strength, mask, only)
            }),
            recipe
                .adapters
                .iter()
                .filter(|adapter| !adapter.is_idle())
                .map(|a| (&a.hash, a.unet_weight, a.text_weight))
                .collect::<Vec<_>>(),
            recipe
                .embeddings
                .iter()
                .map(|embedding| (&embedding.name, &embedding.hash))
                .collect::<Vec<_>>(),
            recipe
                .regions
                .iter()
                .map(|region| (&region.prompt, region.weight, of_mask(&region.mask)))
                .collect::<Vec<_>>(),
        )
    )
}

/// What is resolved follows from the rest.
fn of_walk(walk: &WalkOptions) -> (&str, &str, bool, f64, Option<f64>) {
    (
        &walk.schedule,
        &walk.convention,
        walk.zero_terminal_snr,
        walk.guidance_rescale,
        walk.steering,
    )
}

fn of_mask(mask: &MaskUse) -> (&str, f64, bool) {
    (&mask.picture.hash, mask.feather_px, mask.inverted)
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::{MOST, Snapshot, Snapshots};

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let snapshot = |at: usize| Snapshot {
            at,
            latents: Tensor::from_slice(&[0.0_f32]),
            seen: Vec::new(),
        };
        let mut snapshots = Snapshots::default();
        for i in 0..MOST {
            snapshots.keep(i.to_string(), snapshot(i));
        }
        assert_eq!(snapshots.get("0").unwrap().at, 0);
        snapshots.keep("new".to_owned(), snapshot(99));
        assert!(snapshots.get("1").is_none());
        assert_eq!(snapshots.get("0").unwrap().at, 0);
        snapshots.keep("0".to_owned(), snapshot(7));
        assert_eq!(snapshots.get("0").unwrap().at, 7);
    }
}
