//! What accompanies the latents through one forward pass.

use tch::Tensor;

use crate::layers::{AttentionHook, AttentionSite};
use crate::{EngineError, Result};

/// Keys and values of the text for every attention layer that reads it, computed once a prompt.
///
/// They hold for the weights and branch strengths of the moment they were made in.
#[derive(Debug, Default)]
pub struct TextContext {
    /// By attention index; `None` for layers that read the picture.
    entries: Vec<Option<(Tensor, Tensor)>>,
}

impl TextContext {
    pub(super) fn insert(&mut self, index: usize, k: Tensor, v: Tensor) {
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some((k, v));
    }

    /// The same keys and values, for another thread.
    pub fn shallow_clone(&self) -> Self {
        let entries = self.entries.iter().map(|entry| {
            let (k, v) = entry.as_ref()?;
            Some((k.shallow_clone(), v.shallow_clone()))
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// Contexts of one U-Net, one after the other along the batch.
    ///
    /// # Errors
    /// They hold different numbers of tokens, or memory runs out.
    pub fn cat(contexts: &[&Self]) -> Result<Self> {
        let layers = contexts.iter().map(|c| c.entries.len()).max().unwrap_or(0);
        let mut all = Self::default();
        for index in 0..layers {
            let here: Vec<_> = contexts
                .iter()
                .filter_map(|c| c.entries.get(index)?.as_ref())
                .collect();
            if here.is_empty() {
                continue;
            }
            let keys: Vec<_> = here.iter().map(|(k, _)| k).collect();
            let values: Vec<_> = here.iter().map(|(_, v)| v).collect();
            all.insert(index, Tensor::f_cat(&keys, 0)?, Tensor::f_cat(&values, 0)?);
        }
        Ok(all)
    }

    pub(super) fn get(&self, site: &AttentionSite) -> Result<(&Tensor, &Tensor)> {
        match self.entries.get(site.index) {
            Some(Some((k, v))) => Ok((k, v)),
            _ => Err(EngineError::request(
                "text context",
                format!("has nothing for {}; make it with the same U-Net", site.name),
            )),
        }
    }
}

/// Conditions beside the text, for the models that take them.
#[derive(Debug, Default)]
pub struct AddedConditions {
    /// SDXL's pooled text embedding, `[batch, dim]`.
    pub pooled: Option<Tensor>,
    /// SDXL's original size, crop corner and target size in pixels, `[batch, 6]`.
    pub time_ids: Option<Tensor>,
    /// Embedding of the guidance scale of latent consistency models,
    /// `[batch, time_cond_proj_dim]`.
    pub timestep_cond: Option<Tensor>,
}

/// What every block needs.
pub(super) struct Pass<'a, 'h> {
    /// Timestep embedding with the activation applied, `[batch, time_dim]`.
    pub(super) time: Tensor,
    pub(super) text: &'a TextContext,
    pub(super) hook: Option<&'h mut dyn AttentionHook>,
}
