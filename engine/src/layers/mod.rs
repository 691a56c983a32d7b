//! Building blocks: linear and convolution layers that carry low-rank branches, norms, attention.

mod activation;
mod attention;
mod change;
mod conv;
mod decoupled;
mod feature_maps;
mod linear;
mod low_rank;
mod norm;
mod resample;
mod resnet;
mod timestep;
mod visit;

pub use activation::Activation;
pub use attention::{AttentionHook, AttentionSite, attend};
pub use change::{LayerChange, LowRankSum};
pub use conv::{Conv2d, ConvShape};
pub use decoupled::{DecoupledBranch, PlaceWeights};
pub(crate) use feature_maps::{feature_maps, no_such_map};
pub use linear::Linear;
pub use low_rank::{LowRankBranch, Multiplier};
pub use norm::{GroupNorm, LayerNorm, NormChange, NormRef, NormVisitor};
pub use resample::{Downsample, Upsample};
pub use resnet::{ResnetBlock, ResnetShape, add};
pub use timestep::{TimestepEmbedding, TimestepShape, sinusoidal_embedding};
pub use visit::{LayerRef, LayerVisitor};
