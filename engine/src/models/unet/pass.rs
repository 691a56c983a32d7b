//! What accompanies the latents through one forward pass.

use tch::Tensor;

use crate::layers::{AttentionHook, AttentionSite, DecoupledBranch};
use crate::{EngineError, Result};

/// Keys and values of the text for every attention layer that reads it, computed once a prompt.
///
/// They hold for the weights and branch strengths of the moment they were made in.
#[derive(Debug, Default)]
pub struct TextContext {
    /// By attention index; `None` for layers that read the picture.
    entries: Vec<Option<(Tensor, Tensor)>>,
    /// What the model takes beside the text.
    added: Option<AddedConditions>,
    /// Other tokens that the same layers attend to.
    branches: Vec<DecoupledBranch>,
}

impl TextContext {
    /// The same keys and values, not copied.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let share = |(k, v): &(Tensor, Tensor)| (k.shallow_clone(), v.shallow_clone());
        Self {
            entries: self.entries.iter().map(|e| e.as_ref().map(share)).collect(),
            added: self.added.as_ref().map(AddedConditions::shallow_clone),
            branches: self
                .branches
                .iter()
                .map(DecoupledBranch::shallow_clone)
                .collect(),
        }
    }

    /// The same text with other tokens beside it, which the layers that read it attend to apart.
    #[must_use]
    pub fn with_branch(mut self, branch: DecoupledBranch) -> Self {
        self.branches.push(branch);
        self
    }

    /// What the layer `site` makes of its queries `q` and the text, `out`, both
    /// `[batch, heads, pixels, head_dim]`, with what the tokens beside the text add.
    pub(super) fn with_branches(
        &self,
        site: &AttentionSite,
        q: &Tensor,
        out: Tensor,
    ) -> Result<Tensor> {
        let mut branches = self.branches.iter();
        branches.try_fold(out, |out, branch| branch.add_to(site, q, out))
    }

    /// Pictures that the text is for.
    fn batch(&self) -> i64 {
        let first = self.entries.iter().flatten().next();
        first.map_or(1, |(k, _)| k.size()[0])
    }

    /// The same text with what the model takes beside it.
    #[must_use]
    pub fn with_added(self, added: AddedConditions) -> Self {
        Self {
            added: Some(added),
            ..self
        }
    }

    /// What the model takes beside the text, for [`UNet::forward`](super::UNet::forward).
    pub fn added(&self) -> Option<&AddedConditions> {
        self.added.as_ref()
    }

    /// Sets the keys and values of the attention layer `index`, each `[batch, heads, tokens,
    /// head_dim]`.
    pub fn insert(&mut self, index: usize, k: Tensor, v: Tensor) {
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some((k, v));
    }

    /// The keys and values of both along the batch, first `self`'s; `None` where they hold different
    /// numbers of tokens, or tokens beside the text that differ in number or weight.
    ///
    /// # Errors
    /// They are of different U-Nets, or memory runs out.
    pub fn beside(&self, other: &Self) -> Result<Option<Self>> {
        let mut both = Self::default();
        for (index, pair) in self.entries.iter().zip(&other.entries).enumerate() {
            let (Some((k, v)), Some((other_k, other_v))) = pair else {
                continue;
            };
            if k.size()[2] != other_k.size()[2] {
                return Ok(None);
            }
            let (k, v) = (
                Tensor::f_cat(&[k, other_k], 0)?,
                Tensor::f_cat(&[v, other_v], 0)?,
            );
            both.insert(index, k, v);
        }
        if let (Some(own), Some(other)) = (&self.added, &other.added) {
            both.added = Some(own.beside(other)?);
        }
        let batches = (self.batch(), other.batch());
        for index in 0..self.branches.len().max(other.branches.len()) {
            let pair = (self.branches.get(index), other.branches.get(index));
            let Some(branch) = DecoupledBranch::beside(pair.0, pair.1, batches)? else {
                return Ok(None);
            };
            both.branches.push(branch);
        }
        Ok(Some(both))
    }

    /// The keys and values of one attention layer.
    ///
    /// # Errors
    /// There are none for it: they were made with another U-Net.
    pub fn get(&self, site: &AttentionSite) -> Result<(&Tensor, &Tensor)> {
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

impl AddedConditions {
    /// The same conditions, not copied.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let share = |t: &Option<Tensor>| t.as_ref().map(Tensor::shallow_clone);
        Self {
            pooled: share(&self.pooled),
            time_ids: share(&self.time_ids),
            timestep_cond: share(&self.timestep_cond),
        }
    }

    /// Both along the batch, first `self`'s.
    fn beside(&self, other: &Self) -> Result<Self> {
        let both = |a: &Option<Tensor>, b: &Option<Tensor>| -> Result<Option<Tensor>> {
            Ok(match (a, b) {
                (Some(a), Some(b)) => Some(Tensor::f_cat(&[a, b], 0)?),
                _ => None,
            })
        };
        Ok(Self {
            pooled: both(&self.pooled, &other.pooled)?,
            time_ids: both(&self.time_ids, &other.time_ids)?,
            timestep_cond: both(&self.timestep_cond, &other.timestep_cond)?,
        })
    }
}

/// What ControlNets add to the feature maps that a U-Net's way up meets.
#[derive(Debug)]
pub struct Residuals {
    /// To every feature map from the way down, in the order in which they are left behind, each of
    /// its shape; or `[batch, channels, 1, 1]` where a ControlNet pools them.
    pub down: Vec<Tensor>,
    /// To what comes out of the middle.
    pub middle: Tensor,
}

impl Residuals {
    /// The sum of both, as several ControlNets work together.
    ///
    /// # Errors
    /// They are of different U-Nets, or memory runs out.
    pub fn plus(self, other: &Self) -> Result<Self> {
        if self.down.len() != other.down.len() {
            return Err(wrong_count(other.down.len(), self.down.len()));
        }
        let down = self.down.iter().zip(&other.down);
        Ok(Self {
            down: down.map(|(a, b)| Ok(a.f_add(b)?)).collect::<Result<_>>()?,
            middle: self.middle.f_add(&other.middle)?,
        })
    }

    /// Adds them to `skips` and gives `middle` with its own.
    pub(super) fn add_to(&self, skips: &mut [Tensor], middle: &Tensor) -> Result<Tensor> {
        if self.down.len() != skips.len() {
            return Err(wrong_count(self.down.len(), skips.len()));
        }
        for (skip, residual) in skips.iter_mut().zip(&self.down) {
            *skip = skip.f_add(residual)?;
        }
        Ok(middle.f_add(&self.middle)?)
    }
}

fn wrong_count(given: usize, wanted: usize) -> EngineError {
    let problem = format!("gives {given} residuals where the U-Net takes {wanted}");
    EngineError::request("controlnet", problem)
}

/// What every block needs.
pub(in crate::models) struct Pass<'a, 'h> {
    /// Timestep embedding with the activation applied, `[batch, time_dim]`.
    pub(super) time: Tensor,
    pub(super) text: &'a TextContext,
    pub(super) hook: Option<&'h mut dyn AttentionHook>,
    /// What ControlNets add before the way up.
    pub(super) residuals: Option<&'a Residuals>,
}
