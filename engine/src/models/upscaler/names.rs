//! What kind of network a file holds, and where its tensors lie.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::compact::CompactShape;
use super::rrdb::RrdbShape;
use crate::weights::{NameTable, RenamedFile, Take, TensorFile, TensorView};
use crate::{EngineError, Result};

/// What BasicSR and its kin put before all names, the better weights first.
const WRAPPERS: [&str; 4] = ["params_ema.", "params.", "state_dict.", "model."];

/// A network and its sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    Rrdb(RrdbShape),
    Compact(CompactShape),
}

/// A file whose kind is known.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) layout: Layout,
    pub(super) factor: u32,
    pub(super) file: RenamedFile,
}

/// Our names of a file's tensors, with its own.
type Names = BTreeMap<String, String>;

/// Finds out what `file` holds.
pub(super) fn read(file: &Rc<TensorFile>) -> Result<Found> {
    let stored: BTreeSet<&str> = file.headers().iter().map(|header| header.name).collect();
    let names = unwrapped(&stored);
    let names = if names.contains_key("model.0.weight") {
        counted(&names)
    } else {
        names
    };
    let shape = |name: &str| names.get(name).and_then(|stored| file.shape(stored));
    let (layout, factor) = if names.contains_key("conv_first.weight") {
        rrdb(&names, &shape)
    } else {
        compact(&names, &shape)
    }
    .ok_or_else(|| {
        EngineError::bad_file(
            file.path(),
            "is no upscaler that Vernier knows; it reads ESRGAN, Real-ESRGAN and the compact \
             SRVGG networks",
        )
    })?;
    let views = names.into_iter().map(|(ours, stored)| {
        let take = Take::Whole;
        (ours, TensorView { stored, take })
    });
    Ok(Found {
        layout,
        factor,
        file: RenamedFile {
            file: Rc::clone(file),
            views: views.collect(),
            table: NameTable::new(Vec::new()),
            strangers: Vec::new(),
        },
    })
}

/// The names under the best wrapper there is.
fn unwrapped(stored: &BTreeSet<&str>) -> Names {
    let known =
        |name: &str| ["conv_first.weight", "body.0.weight", "model.0.weight"].contains(&name);
    let wrapper = WRAPPERS.into_iter().find(|wrapper| {
        let mut inside = stored.iter().filter_map(|name| name.strip_prefix(wrapper));
        inside.any(known)
    });
    let wrapper = wrapper.unwrap_or_default();
    let inside = stored.iter().filter_map(|name| {
        let ours = name.strip_prefix(wrapper)?;
        Some((ours.to_owned(), (*name).to_owned()))
    });
    inside.collect()
}

/// BasicSR's names for ESRGAN's first ones, in which the layers of a sequence are counted.
fn counted(names: &Names) -> Names {
    let index = |name: &str| -> Option<usize> {
        let (index, kind) = name.strip_prefix("model.")?.split_once('.')?;
        (kind == "weight").then(|| index.parse().ok())?
    };
    let mut tail: Vec<usize> = names.keys().filter_map(|name| index(name)).collect();
    tail.retain(|&index| index > 1);
    tail.sort_unstable();
    let ups = tail.len().saturating_sub(2);
    let of_tail = |at: usize| match at.checked_sub(ups) {
        None => format!("conv_up{}", at + 1),
        Some(0) => "conv_hr".to_owned(),
        Some(_) => "conv_last".to_owned(),
    };
    let renamed = |name: &str| -> Option<String> {
        let rest = name.strip_prefix("model.")?;
        if let Some(inner) = rest.strip_prefix("1.sub.") {
            let parts: Vec<&str> = inner.split('.').collect();
            return match parts.as_slice() {
                [block, dense, conv, "0", kind] => {
                    let dense = dense.to_lowercase();
                    Some(format!("body.{block}.{dense}.{conv}.{kind}"))
                }
                [_, kind] => Some(format!("conv_body.{kind}")),
                _ => None,
            };
        }
        let (layer, kind) = rest.split_once('.')?;
        let layer: usize = layer.parse().ok()?;
        match tail.iter().position(|&own| own == layer) {
            Some(at) => Some(format!("{}.{kind}", of_tail(at))),
            None if layer == 0 => Some(format!("conv_first.{kind}")),
            None => None,
        }
    };
    let names = names.iter().map(|(name, stored)| {
        let ours = renamed(name).unwrap_or_else(|| name.clone());
        (ours, stored.clone())
    });
    names.collect()
}

fn rrdb<'a>(names: &Names, shape: &impl Fn(&str) -> Option<&'a [i64]>) -> Option<(Layout, u32)> {
    let &[features, inputs, ..] = shape("conv_first.weight")? else {
        return None;
    };
    let unshuffle = match inputs {
        3 => 1,
        12 => 2,
        48 => 4,
        _ => return None,
    };
    let has = |name: String| names.contains_key(&name);
    let most = names.len();
    let count = |name: &dyn Fn(usize) -> String| {
        let layers = (0..most).take_while(|&at| has(name(at)));
        layers.count()
    };
    let ups = count(&|at| format!("conv_up{}.weight", at + 1));
    let doubled = 1_u32.checked_shl(ups as u32)?;
    let layout = Layout::Rrdb(RrdbShape {
        features,
        growth: *shape("body.0.rdb1.conv1.weight")?.first()?,
        blocks: count(&|at| format!("body.{at}.rdb1.conv1.weight")),
        ups,
        unshuffle,
    });
    Some((layout, (doubled / unshuffle as u32).max(1)))
}

fn compact<'a>(names: &Names, shape: &impl Fn(&str) -> Option<&'a [i64]>) -> Option<(Layout, u32)> {
    let &[features, 3, 3, 3] = shape("body.0.weight")? else {
        return None;
    };
    let convs = (0..names.len())
        .take_while(|at| names.contains_key(&format!("body.{}.bias", 2 * at)))
        .count();
    let outputs = *shape(&format!("body.{}.weight", 2 * convs.checked_sub(1)?))?.first()?;
    let factor = (1..=8).find(|factor| 3 * factor * factor == outputs)?;
    let layout = Layout::Compact(CompactShape {
        features,
        convs,
        factor,
    });
    Some((layout, factor as u32))
}
