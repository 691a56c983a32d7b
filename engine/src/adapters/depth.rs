//! How deep in a network a layer lies.

use std::collections::BTreeMap;

use super::keys::Component;
use super::modules::Modules;

/// How deep layers lie: blocks from the latents to the prediction, layers of the text encoders.
pub(super) struct Depths {
    /// Number of blocks, by network.
    blocks: BTreeMap<Component, i64>,
    /// Blocks of the U-Net on the way down.
    down: i64,
}

impl Depths {
    pub(super) fn of(modules: &Modules) -> Self {
        let mut depths = Self {
            blocks: BTreeMap::new(),
            down: 0,
        };
        let unet = modules
            .all()
            .iter()
            .filter(|m| m.component == Component::UNet);
        for module in unet {
            if let Some(at) = index_after(&module.path, "down_blocks.") {
                depths.down = depths.down.max(at + 1);
            }
        }
        for module in modules.all() {
            if let Some(at) = depths.block(module.component, &module.path) {
                let blocks = depths.blocks.entry(module.component).or_default();
                *blocks = (*blocks).max(at + 1);
            }
        }
        depths
    }

    /// Number of the block that a layer is in.
    fn block(&self, component: Component, path: &str) -> Option<i64> {
        if component != Component::UNet {
            return index_after(path, "text_model.encoder.layers.");
        }
        index_after(path, "down_blocks.")
            .or_else(|| path.starts_with("mid_block").then_some(self.down))
            .or_else(|| index_after(path, "up_blocks.").map(|at| self.down + 1 + at))
    }

    /// 0 at the beginning, 1 at the end; what lies in no block counts as the beginning.
    pub(super) fn part(&self, (component, path): &(Component, String)) -> f64 {
        let blocks = self.blocks.get(component).copied().unwrap_or(1);
        let block = self.block(*component, path).unwrap_or(0);
        block as f64 / (blocks - 1).max(1) as f64
    }
}

fn index_after(path: &str, before: &str) -> Option<i64> {
    path.strip_prefix(before)?.split('.').next()?.parse().ok()
}
