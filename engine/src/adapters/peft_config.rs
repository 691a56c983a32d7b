//! What PEFT says about the scales of a LoRA beside its tensors.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Component;
use crate::{EngineError, Result};

/// Where Python diffusers keeps the configuration within a safetensors file.
pub(super) const METADATA_KEY: &str = "lora_adapter_metadata";

/// One LoRA's `LoraConfig`, as far as it decides scales.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Scales {
    lora_alpha: Option<f64>,
    alpha_pattern: BTreeMap<String, f64>,
    use_rslora: bool,
}

/// Configurations by network; one without a name holds for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PeftConfig {
    of_all: Option<Scales>,
    of_each: BTreeMap<Component, Scales>,
}

impl PeftConfig {
    /// What a file's `metadata` says, else the `adapter_config.json` at `beside`.
    pub(super) fn read(metadata: &BTreeMap<String, String>, beside: Option<&Path>) -> Result<Self> {
        let mut config = Self::default();
        if let Some(text) = metadata.get(METADATA_KEY) {
            let all: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            for component in Component::ALL {
                let prefix = format!("{}.", component.folder());
                let own = all.iter().filter_map(|(key, value)| {
                    Some((key.strip_prefix(&prefix)?.to_owned(), value.clone()))
                });
                let own: Map<String, Value> = own.collect();
                if !own.is_empty() {
                    let scales = serde_json::from_value(own.into()).unwrap_or_default();
                    config.of_each.insert(component, scales);
                }
            }
            if config.of_each.is_empty() && all.contains_key("lora_alpha") {
                config.of_all = serde_json::from_value(all.into()).ok();
            }
        }
        if let Some(path) = beside {
            let text = std::fs::read_to_string(path).map_err(|e| EngineError::io(path, e))?;
            // An object first: a list would be read as its fields, one after the other.
            let scales = serde_json::from_str::<Map<String, Value>>(&text)
                .and_then(|fields| serde_json::from_value(fields.into()));
            config.of_all = Some(scales.map_err(|e| {
                EngineError::bad_file(path, format!("is no configuration of a LoRA: {e}"))
            })?);
        }
        Ok(config)
    }

    /// `alpha / rank` of the layer at `path` in `component`, or 1 where nothing is said.
    pub(super) fn scale(&self, component: Component, path: &str, rank: i64) -> f64 {
        let Some(scales) = self.of_each.get(&component).or(self.of_all.as_ref()) else {
            return 1.0;
        };
        let fits = |pattern: &str| {
            let pattern = pattern.trim_start_matches('^');
            path == pattern || path.strip_suffix(pattern).is_some_and(|p| p.ends_with('.'))
        };
        let own = scales
            .alpha_pattern
            .iter()
            .find(|(pattern, _)| fits(pattern));
        let rank = rank as f64;
        let Some(alpha) = own.map(|(_, alpha)| *alpha).or(scales.lora_alpha) else {
            return 1.0;
        };
        alpha / if scales.use_rslora { rank.sqrt() } else { rank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_come_from_the_metadata_or_the_file_beside() {
        let text = r#"{"unet.r": 4, "unet.lora_alpha": 2, "unet.alpha_pattern": {"attn1.to_q": 8},
                       "text_encoder.lora_alpha": 16, "text_encoder.use_rslora": true}"#;
        let metadata = BTreeMap::from([(METADATA_KEY.to_owned(), text.to_owned())]);
        let config = PeftConfig::read(&metadata, None).unwrap();
        let scale = |component, path: &str| config.scale(component, path, 4);
        assert!((scale(Component::UNet, "mid_block.attn1.to_q") - 2.0).abs() < 1e-12);
        assert!((scale(Component::UNet, "mid_block.xattn1.to_q") - 0.5).abs() < 1e-12);
        assert!((scale(Component::TextEncoder, "a.q_proj") - 8.0).abs() < 1e-12);
        assert!((scale(Component::TextEncoder2, "a.q_proj") - 1.0).abs() < 1e-12);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adapter_config.json");
        std::fs::write(
            &path,
            r#"{"r": 4, "lora_alpha": 6, "target_modules": ["to_q"]}"#,
        )
        .unwrap();
        let config = PeftConfig::read(&BTreeMap::new(), Some(&path)).unwrap();
        assert!((config.scale(Component::UNet, "x.to_q", 4) - 1.5).abs() < 1e-12);
        std::fs::write(&path, "[]").unwrap();
        assert!(PeftConfig::read(&BTreeMap::new(), Some(&path)).is_err());
    }
}
