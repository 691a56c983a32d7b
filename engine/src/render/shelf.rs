//! The controls that recipes have asked for, read once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::halves::Halves;
use super::phases::by_adapter;
use crate::controls::{AttributeValues, Control, ControlFile, ControlInfo, ControlLibrary};
use crate::layers::Multiplier;
use crate::recipe::{ControlScale, ControlUse};
use crate::{EngineError, Result};

/// A control's file, read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) info: ControlInfo,
    pub(super) hash: String,
    pub(super) control: Control,
    /// The strength of its branches in the U-Net, for sliders; 0 between renders.
    pub(super) multiplier: Option<Multiplier>,
    /// Whether its branches change the text's keys and values.
    pub(super) reaches_text: bool,
}

/// A control at work in one recipe.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) wanted: ControlUse,
    pub(super) loaded: Rc<Loaded>,
    /// Which attribute it moves, where it moves a single one.
    pub(super) attribute: Option<String>,
    /// The method's own number; `None` where it changes nothing.
    pub(super) raw: Option<f64>,
    /// Fraction of the steps that pass before it begins.
    pub(super) start: f64,
}

impl Loaded {
    /// Whether keys and values of the text are others while it is at work.
    pub(super) fn changes_text(&self) -> bool {
        self.reaches_text
            || match &self.control {
                Control::Direction(_) | Control::Value(_) => true,
                Control::AttAdapter(adapter) => adapter.slider().is_some(),
                Control::Slider(_) | Control::Guidance { .. } => false,
            }
    }

    /// What the artist should know of `values`.
    fn warnings(&self, values: &AttributeValues) -> Vec<String> {
        let outside = match &self.control {
            Control::Value(encoder) => encoder.outside(values),
            Control::AttAdapter(adapter) => adapter.outside(values),
            _ => Vec::new(),
        };
        let name = &self.info.name;
        let outside = outside.iter();
        outside.map(|o| format!("control {name}: {o}")).collect()
    }
}

impl Resolved {
    /// Whether it can only be carried out by looking at pictures.
    pub(super) fn needs_meter(&self) -> bool {
        self.raw.is_some() && matches!(self.loaded.control, Control::Guidance { .. })
    }
}

/// What tells whether a file is still the one that was read.
type Stamp = (u64, Option<SystemTime>);

/// All controls of a model that were asked for so far.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    library: ControlLibrary,
    loaded: HashMap<PathBuf, (Stamp, Rc<Loaded>)>,
}

impl Shelf {
    pub(super) fn set_library(&mut self, library: ControlLibrary) {
        self.library = library;
    }

    /// Finds and reads the controls of a recipe; sliders are attached to `halves`. `notes` hears of
    /// what the artist should know.
    pub(super) fn resolve(
        &mut self,
        wanted: &[ControlUse],
        halves: &Halves,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Resolved>> {
        let resolved = wanted
            .iter()
            .map(|wanted| {
                let path = self.library.find(wanted)?;
                let loaded = self.load(&path, halves)?;
                resolve_one(wanted, &path, loaded, notes)
            })
            .collect::<Result<Vec<_>>>()?;
        for (loaded, values) in by_adapter(&resolved.iter().collect::<Vec<_>>()) {
            notes.extend(loaded.warnings(&values));
        }
        Ok(resolved)
    }

    /// Sets the strength of every attached slider: that of `active`, or 0.
    pub(super) fn set_strengths(&self, active: &[&Resolved]) {
        for (_, loaded) in self.loaded.values() {
            if let Some(multiplier) = &loaded.multiplier {
                let own = active.iter().filter(|a| Rc::ptr_eq(&a.loaded, loaded));
                let own = own.filter_map(|a| a.raw);
                // A slider's number is its strength; an adapter's branches are there or not.
                multiplier.set(match &loaded.control {
                    Control::AttAdapter(_) => f64::from(u8::from(own.count() > 0)),
                    _ => own.sum(),
                });
            }
        }
    }

    fn load(&mut self, path: &Path, halves: &Halves) -> Result<Rc<Loaded>> {
        let about = std::fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
        let stamp = (about.len(), about.modified().ok());
        if let Some((known, loaded)) = self.loaded.get(path)
            && *known == stamp
        {
            return Ok(Rc::clone(loaded));
        }
        let file = ControlFile::open(path)?;
        let control = Control::read(&file)?;
        let mut multiplier = None;
        let mut reaches_text = false;
        let branches = match &control {
            Control::Slider(slider) => Some(slider),
            Control::AttAdapter(adapter) => adapter.slider(),
            _ => None,
        };
        if let Some(slider) = branches {
            let strength = Multiplier::new(0.0);
            halves.attach(|unet| slider.attach(unet, &strength))?;
            multiplier = Some(strength);
            let text = |path: &str| path.contains("attn2.to_k") || path.contains("attn2.to_v");
            reaches_text = slider.layers().iter().any(|layer| text(&layer.path));
        }
        let loaded = Rc::new(Loaded {
            info: file.info,
            hash: file.hash,
            control,
            multiplier,
            reaches_text,
        });
        self.loaded
            .insert(path.to_owned(), (stamp, Rc::clone(&loaded)));
        Ok(loaded)
    }
}

fn resolve_one(
    wanted: &ControlUse,
    path: &Path,
    loaded: Rc<Loaded>,
    notes: &mut Vec<String>,
) -> Result<Resolved> {
    let info = &loaded.info;
    let attribute = info.attribute_of(wanted).map(str::to_owned);
    if attribute.is_none() {
        return Err(EngineError::request(
            wanted.to_string(),
            format!(
                "say which of its attributes is meant, as {}/{}; it has {}",
                info.name,
                info.attributes.first().map_or("ATTRIBUTE", String::as_str),
                info.attributes.join(", ")
            ),
        ));
    }
    if !wanted.hash.is_empty() && wanted.hash != loaded.hash {
        notes.push(format!(
            "control {}: the recipe was made with another version of {}, so the picture will differ",
            wanted.name,
            path.display()
        ));
    }
    let values = attribute
        .as_deref()
        .and_then(|attribute| loaded.control.value_range(attribute));
    let raw = raw_setting(wanted, info, attribute.as_deref(), values, notes);
    let mut resolved = wanted.clone();
    resolved.hash.clone_from(&loaded.hash);
    resolved.resolved = raw;
    Ok(Resolved {
        start: wanted.start.unwrap_or(info.start),
        wanted: resolved,
        attribute,
        raw,
        loaded,
    })
}

/// The method's own number for what a recipe wants; `None` where nothing shall change.
fn raw_setting(
    wanted: &ControlUse,
    info: &ControlInfo,
    attribute: Option<&str>,
    values: Option<[f64; 2]>,
    notes: &mut Vec<String>,
) -> Option<f64> {
    let calibration = attribute.and_then(|a| info.calibrations.get(a));
    let raw = match wanted.scale {
        // A number that an earlier render found holds for the same control only.
        ControlScale::Measured => wanted.resolved,
        ControlScale::Raw => Some(wanted.value),
        ControlScale::Calibrated if wanted.value == 0.0 => None,
        ControlScale::Calibrated => Some(if let Some(calibration) = calibration {
            calibration.raw_of_unit(wanted.value)
        } else {
            // -1 and 1 are the ends of the values that it knows; strengths have no ends.
            let raw = values.map_or(wanted.value, |[low, high]| {
                f64::midpoint(low, high) + wanted.value * (high - low) / 2.0
            });
            notes.push(format!(
                "control {}: it was never calibrated, so {} is taken as raw setting {raw}; \
                 `vernier calibrate {}` gives it a scale",
                wanted.name, wanted.value, wanted.name
            ));
            raw
        }),
    };
    if let (Some(raw), Some(calibration)) = (raw, calibration)
        && !calibration.is_reliable(raw)
    {
        notes.push(format!(
            "control {}: {} is past its reliable range (raw {:.3} to {:.3})",
            wanted.name, wanted.value, calibration.raw_low, calibration.raw_high
        ));
    }
    // A strength of 0 does nothing; a value of 0 is a value.
    raw.filter(|&raw| raw != 0.0 || values.is_some())
}

#[cfg(test)]
mod tests {
    use super::raw_setting;
    use crate::controls::{Calibration, ControlInfo, ControlKind, ResponsePoint};
    use crate::recipe::{ControlScale, ControlUse};

    fn info(kind: ControlKind, calibrated: bool) -> ControlInfo {
        let mut info = ControlInfo::new("smile", kind, vec!["smile".to_owned()]);
        if calibrated {
            let at = |raw, mean| ResponsePoint {
                raw,
                mean,
                std: 0.0,
            };
            let calibration = Calibration {
                model_hash: String::new(),
                meter: String::new(),
                raw_low: -2.0,
                raw_high: 4.0,
                neutral_raw: 0.0,
                response: vec![at(-2.0, 0.1), at(0.0, 0.5), at(4.0, 0.9)],
                spearman: 1.0,
                r_squared: 1.0,
                spread: 0.0,
                side_effects: std::collections::BTreeMap::new(),
                other_subject: None,
                prompts: 1,
                seeds: 1,
            };
            info.calibrations.insert("smile".to_owned(), calibration);
        }
        info
    }

    fn raw(kind: ControlKind, calibrated: bool, text: &str) -> (Option<f64>, usize) {
        let wanted: ControlUse = text.parse().unwrap();
        let mut notes = Vec::new();
        let info = info(kind, calibrated);
        let values = kind.takes_values().then_some([0.0, 10.0]);
        let raw = raw_setting(&wanted, &info, Some("smile"), values, &mut notes);
        (raw, notes.len())
    }

    #[test]
    fn units_become_raw_settings_and_nothing_stays_nothing() {
        let direction = ControlKind::Direction;
        let (half, notes) = raw(direction, true, "smile=0.5");
        assert!((half.unwrap() - 2.0).abs() < 1e-9 && notes == 0, "{half:?}");
        assert_eq!(raw(direction, true, "smile=0"), (None, 0));
        assert_eq!(raw(direction, true, "smile~0"), (None, 0));
        assert_eq!(raw(direction, true, "smile~-1"), (Some(-1.0), 0));
        // A value of 0 is a value.
        assert_eq!(raw(ControlKind::Value, false, "smile~0"), (Some(0.0), 0));
        assert_eq!(raw(ControlKind::Value, true, "smile=0"), (None, 0));
    }

    #[test]
    fn what_cannot_be_relied_on_is_told() {
        let direction = ControlKind::Direction;
        assert_eq!(raw(direction, false, "smile=0.5"), (Some(0.5), 1));
        assert_eq!(raw(ControlKind::Value, false, "smile=0.5"), (Some(7.5), 1));
        assert_eq!(raw(direction, true, "smile=1.5"), (Some(6.0), 1));
    }

    #[test]
    fn a_closed_loop_uses_what_was_found() {
        let mut wanted: ControlUse = "smile:=0.7".parse().unwrap();
        assert_eq!(wanted.scale, ControlScale::Measured);
        let info = info(ControlKind::Direction, true);
        let raw =
            |wanted: &ControlUse| raw_setting(wanted, &info, Some("smile"), None, &mut Vec::new());
        assert_eq!(raw(&wanted), None);
        wanted.resolved = Some(1.25);
        assert_eq!(raw(&wanted), Some(1.25));
    }
}
