//! The text encoders of a single file, and the names of their tensors.

use super::family::{CLIP_1, CLIP_XL, Family, OPEN_CLIP_2, OPEN_CLIP_XL};
use super::stored::Stored;
use crate::weights::{NamePair, NameTable, Take};

/// One text encoder.
#[derive(Debug)]
pub(in crate::checkpoint) struct TextPart {
    /// Its folder in the layout of Python diffusers.
    pub(in crate::checkpoint) component: &'static str,
    /// What its names begin with.
    pub(in crate::checkpoint) prefix: &'static str,
    /// Whether it has the names and the activation of OpenCLIP.
    pub(in crate::checkpoint) is_open_clip: bool,
    /// Whether its pooled vector goes through a projection.
    pub(in crate::checkpoint) projects: bool,
    /// Layers that are used.
    pub(in crate::checkpoint) layers: i64,
    pub(in crate::checkpoint) table: NameTable,
}

impl TextPart {
    /// The text encoders of `family` in `stored`, in the order of their states.
    pub(super) fn all(stored: &Stored, family: Family) -> Vec<Self> {
        match family {
            Family::Sd1 => vec![Self::clip(stored, "text_encoder", CLIP_1)],
            Family::Sd2 => {
                let all = stored.count(&format!("{OPEN_CLIP_2}transformer.resblocks."));
                // 2.x conditions on the layer before the last. Files that were made from a folder
                // lack the last one, as folders do; they lack the projection behind it too.
                let has_last = stored.has(&format!("{OPEN_CLIP_2}text_projection"));
                let layers = all - i64::from(has_last);
                vec![Self::open_clip("text_encoder", OPEN_CLIP_2, layers, false)]
            }
            Family::SdXl => {
                let layers = stored.count(&format!("{OPEN_CLIP_XL}transformer.resblocks."));
                vec![
                    Self::clip(stored, "text_encoder", CLIP_XL),
                    Self::open_clip("text_encoder_2", OPEN_CLIP_XL, layers, true),
                ]
            }
        }
    }

    fn clip(stored: &Stored, component: &'static str, prefix: &'static str) -> Self {
        // Some files lack this part of the name.
        let inner = format!("{prefix}text_model.");
        let inner = if stored.has_under(&inner) {
            inner
        } else {
            prefix.to_owned()
        };
        Self {
            component,
            prefix,
            is_open_clip: false,
            projects: false,
            layers: stored.count(&format!("{inner}encoder.layers.")),
            table: clip_table(&inner),
        }
    }

    fn open_clip(
        component: &'static str,
        prefix: &'static str,
        layers: i64,
        projects: bool,
    ) -> Self {
        Self {
            component,
            prefix,
            is_open_clip: true,
            projects,
            layers,
            table: open_clip_table(prefix, layers, projects),
        }
    }

    /// Whether `name`, which begins with the prefix, is no weight that anything depends on.
    pub(super) fn ignores(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.prefix).unwrap_or(name);
        rest.ends_with("position_ids")
            || matches!(rest, "logit_scale" | "attn_mask")
            || (!self.projects && rest.starts_with("text_projection"))
            // Beyond the layers that are used.
            || rest
                .strip_prefix("transformer.resblocks.")
                .and_then(|rest| rest.split_once('.')?.0.parse::<i64>().ok())
                .is_some_and(|layer| layer >= self.layers)
    }
}

/// Names of CLIP under `inner`, such as `cond_stage_model.transformer.text_model.`.
pub(in crate::checkpoint) fn clip_table(inner: &str) -> NameTable {
    let outer = inner.strip_suffix("text_model.").unwrap_or(inner);
    let pair = |ours: String, theirs: String| NamePair {
        ours,
        theirs,
        take: Take::Whole,
    };
    let parts = ["embeddings", "encoder", "final_layer_norm"];
    let inside = parts.map(|part| pair(format!("text_model.{part}"), format!("{inner}{part}")));
    let projection = "text_projection".to_owned();
    let mut pairs = inside.to_vec();
    pairs.push(pair(projection, format!("{outer}text_projection")));
    NameTable::new(pairs)
}

/// Names of OpenCLIP's text tower under `prefix`.
pub(in crate::checkpoint) fn open_clip_table(
    prefix: &str,
    layers: i64,
    projects: bool,
) -> NameTable {
    let pair = |ours: String, theirs: String, take: Take| NamePair { ours, theirs, take };
    let whole = |ours: &str, theirs: &str| {
        let (ours, theirs) = (format!("text_model.{ours}"), format!("{prefix}{theirs}"));
        pair(ours, theirs, Take::Whole)
    };
    let mut pairs = vec![
        whole("embeddings.token_embedding", "token_embedding"),
        whole(
            "embeddings.position_embedding.weight",
            "positional_embedding",
        ),
        whole("final_layer_norm", "ln_final"),
    ];
    if projects {
        // OpenCLIP multiplies from the other side.
        let theirs = format!("{prefix}text_projection");
        let ours = "text_projection.weight".to_owned();
        pairs.push(pair(ours, theirs, Take::Transposed));
    }
    for n in 0..layers {
        let (ours, theirs) = (
            format!("encoder.layers.{n}"),
            format!("transformer.resblocks.{n}"),
        );
        for (own, other) in [
            ("layer_norm1", "ln_1"),
            ("layer_norm2", "ln_2"),
            ("mlp.fc1", "mlp.c_fc"),
            ("mlp.fc2", "mlp.c_proj"),
            ("self_attn.out_proj", "attn.out_proj"),
        ] {
            pairs.push(whole(
                &format!("{ours}.{own}"),
                &format!("{theirs}.{other}"),
            ));
        }
        for (part, own) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
            for kind in ["weight", "bias"] {
                pairs.push(pair(
                    format!("text_model.{ours}.self_attn.{own}.{kind}"),
                    format!("{prefix}{theirs}.attn.in_proj_{kind}"),
                    Take::Third(part as i64),
                ));
            }
        }
    }
    NameTable::new(pairs)
}
