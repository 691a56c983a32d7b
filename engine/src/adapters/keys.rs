//! What the names of tensors in adapter files say: which network, which layer, which part.

use std::fmt;

/// The network that a part of an adapter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The U-Net.
    UNet,
    /// The text encoder, or the first of two.
    TextEncoder,
    /// The second text encoder (SDXL).
    TextEncoder2,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::UNet, Self::TextEncoder, Self::TextEncoder2];

    /// Its folder in a model of Python diffusers, which its names in a PEFT file begin with.
    pub fn folder(self) -> &'static str {
        match self {
            Self::UNet => "unet",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UNet => "U-Net",
            Self::TextEncoder => "text encoder",
            Self::TextEncoder2 => "second text encoder",
        })
    }
}

/// What one tensor is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// LoRA: `[rank, in(, k, k)]`.
    Down,
    /// LoRA: `[out, rank(, 1, 1)]`.
    Up,
    /// LoCon in Tucker form: `[rank, rank, k, k]` between the two.
    Mid,
    /// A bias beside [`Part::Up`], `[out]`.
    UpBias,
    /// The scale times the rank.
    Alpha,
    /// DoRA: the length of each output's or each input's weights.
    Magnitude,
    /// LoHa, first factor.
    HadaW1A,
    /// LoHa, first factor.
    HadaW1B,
    /// LoHa, first factor in Tucker form.
    HadaT1,
    /// LoHa, second factor.
    HadaW2A,
    /// LoHa, second factor.
    HadaW2B,
    /// LoHa, second factor in Tucker form.
    HadaT2,
    /// LoKr, first factor, whole.
    LokrW1,
    /// LoKr, first factor, low-rank.
    LokrW1A,
    /// LoKr, first factor, low-rank.
    LokrW1B,
    /// LoKr, second factor, whole.
    LokrW2,
    /// LoKr, second factor, low-rank.
    LokrW2A,
    /// LoKr, second factor, low-rank.
    LokrW2B,
    /// LoKr, second factor in Tucker form.
    LokrT2,
    /// The whole difference of the weight.
    Diff,
    /// The difference of the bias.
    DiffBias,
    /// The difference of a normalisation's scale.
    NormWeight,
    /// The difference of a normalisation's shift.
    NormBias,
}

/// Endings of names, with the older ones of Python diffusers; the longest that fits counts.
const ENDINGS: [(&str, Part); 33] = [
    (".lora_linear_layer.down.weight", Part::Down),
    (".lora_linear_layer.up.weight", Part::Up),
    (".lora.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    ("_lora.down.weight", Part::Down),
    ("_lora.up.weight", Part::Up),
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
    (".lora_mid.weight", Part::Mid),
    (".lora_up.bias", Part::UpBias),
    ("_lora.alpha", Part::Alpha),
    (".lora.alpha", Part::Alpha),
    (".lora_linear_layer.alpha", Part::Alpha),
    (".alpha", Part::Alpha),
    (".dora_scale", Part::Magnitude),
    (".hada_w1_a", Part::HadaW1A),
    (".hada_w1_b", Part::HadaW1B),
    (".hada_t1", Part::HadaT1),
    (".hada_w2_a", Part::HadaW2A),
    (".hada_w2_b", Part::HadaW2B),
    (".hada_t2", Part::HadaT2),
    (".lokr_w1", Part::LokrW1),
    (".lokr_w1_a", Part::LokrW1A),
    (".lokr_w1_b", Part::LokrW1B),
    (".lokr_w2", Part::LokrW2),
    (".lokr_w2_a", Part::LokrW2A),
    (".lokr_w2_b", Part::LokrW2B),
    (".lokr_t2", Part::LokrT2),
    (".diff", Part::Diff),
    (".diff_b", Part::DiffBias),
    (".w_norm", Part::NormWeight),
    (".b_norm", Part::NormBias),
    (".lora_magnitude_vector", Part::Magnitude),
];

/// PEFT's names, between the layer's path and perhaps the adapter's name: `.lora_A.default.weight`.
const PEFT: [(&str, &str, Part); 5] = [
    (".lora_A.", "weight", Part::Down),
    (".lora_B.", "weight", Part::Up),
    (".lora_B.", "bias", Part::UpBias),
    (".lora_magnitude_vector.", "weight", Part::Magnitude),
    (".lora_magnitude_vector.", "default", Part::Magnitude),
];

/// The layer's name and what the tensor is to it; `None` where the ending says nothing.
pub(super) fn split(key: &str) -> Option<(&str, Part)> {
    for (middle, end, part) in PEFT {
        let Some(at) = key.find(middle) else { continue };
        let rest = &key[at + middle.len()..];
        if rest == end
            || rest
                .strip_suffix(end)
                .is_some_and(|name| name.ends_with('.'))
        {
            return Some((&key[..at], part));
        }
    }
    let fits = ENDINGS.iter().filter_map(|&(ending, part)| {
        let layer = key.strip_suffix(ending)?;
        Some((layer, part))
    });
    fits.min_by_key(|(layer, _)| layer.len())
}

/// Beginnings of flattened names, with the network that they are for.
const BEGINNINGS: [(&str, Component); 13] = [
    ("lora_unet_", Component::UNet),
    ("lora_te1_", Component::TextEncoder),
    ("lora_te2_", Component::TextEncoder2),
    ("lora_te_", Component::TextEncoder),
    ("model_diffusion_model_", Component::UNet),
    ("diffusion_model_", Component::UNet),
    ("text_encoder_2_", Component::TextEncoder2),
    ("text_encoder_", Component::TextEncoder),
    ("unet_", Component::UNet),
    ("te1_", Component::TextEncoder),
    ("te2_", Component::TextEncoder2),
    ("te_", Component::TextEncoder),
    ("lora_prior_unet_", Component::UNet),
];

/// The network that a layer's name is for, where it says so, and the layer's path with
/// underscores for dots. Paths are compared in this form alone: it cannot be undone, because names
/// hold underscores of their own.
pub(super) fn flat(layer: &str) -> (Option<Component>, String) {
    let whole = layer.replace('.', "_");
    let mut rest = whole.as_str();
    // LyCORIS writes `lycoris_unet_…`, `lycoris_…` or kohya's own beginnings.
    for wrapper in ["base_model_model_", "lycoris_"] {
        rest = rest.strip_prefix(wrapper).unwrap_or(rest);
    }
    let mut component = None;
    for (beginning, of) in BEGINNINGS {
        if let Some(inner) = rest.strip_prefix(beginning) {
            (component, rest) = (Some(of), inner);
            break;
        }
    }
    let mut path = rest.replace("_processor_", "_");
    // `attn1.processor.to_out_lora` is `attn1.to_out.0`.
    if path.ends_with("_to_out") {
        path.push_str("_0");
    }
    // Python transformers 5 drops `text_model`.
    if path.starts_with("encoder_layers_") || path.starts_with("final_layer_norm") {
        path.insert_str(0, "text_model_");
    }
    (component, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_names_the_same_layer() {
        let path = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0";
        let dotted = "down_blocks.0.attentions.0.transformer_blocks.0.attn1";
        for key in [
            format!("lora_unet_{path}.lora_down.weight"),
            format!("lycoris_{path}.lora_down.weight"),
            format!("unet.{dotted}.to_out.0.lora_A.weight"),
            format!("unet.{dotted}.to_out.0.lora_A.default.weight"),
            format!("base_model.model.{dotted}.to_out.0.lora_A.weight"),
            format!("unet.{dotted}.processor.to_out_lora.down.weight"),
            format!("{dotted}.processor.to_out_lora.down.weight"),
            format!("unet.{dotted}.to_out.0.lora.down.weight"),
        ] {
            let (layer, part) = split(&key).unwrap();
            let (component, flat) = flat(layer);
            assert_eq!((part, flat.as_str()), (Part::Down, path), "{key}");
            assert!(component.is_none_or(|c| c == Component::UNet), "{key}");
        }
        for (key, component) in [
            (
                "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha",
                Component::TextEncoder,
            ),
            (
                "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha",
                Component::TextEncoder2,
            ),
            (
                "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.alpha",
                Component::TextEncoder2,
            ),
            (
                "text_encoder.encoder.layers.0.mlp.fc1.alpha",
                Component::TextEncoder,
            ),
        ] {
            let (layer, part) = split(key).unwrap();
            let expected = (
                Some(component),
                "text_model_encoder_layers_0_mlp_fc1".to_owned(),
            );
            assert_eq!((flat(layer), part), (expected, Part::Alpha), "{key}");
        }
    }

    #[test]
    fn endings_are_not_mistaken_for_each_other() {
        for (key, part) in [
            ("x.lokr_w1", Part::LokrW1),
            ("x.lokr_w1_a", Part::LokrW1A),
            ("x.diff_b", Part::DiffBias),
            ("x.lora_magnitude_vector", Part::Magnitude),
            ("x.lora_magnitude_vector.weight", Part::Magnitude),
            ("x.lora_B.bias", Part::UpBias),
            ("x.q_proj.lora_linear_layer.up.weight", Part::Up),
        ] {
            assert_eq!(split(key).unwrap().1, part, "{key}");
        }
        assert_eq!(split("x.oft_blocks"), None);
        assert_eq!(split("x.weight"), None);
    }
}
