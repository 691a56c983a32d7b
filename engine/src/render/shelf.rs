//! The controls that recipes have asked for, read once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use crate::controls::{Control, ControlFile, ControlInfo, ControlLibrary};
use crate::layers::Multiplier;
use crate::models::unet::UNet;
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

    /// Finds and reads the controls of a recipe; sliders are attached to `unet`. `notes` hears of
    /// what the artist should know.
    pub(super) fn resolve(
        &mut self,
        wanted: &[ControlUse],
        unet: &UNet,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Resolved>> {
        wanted
            .iter()
            .map(|wanted| {
                let path = self.library.find(wanted)?;
                let loaded = self.load(&path, unet)?;
                resolve_one(wanted, &path, loaded, notes)
            })
            .collect()
    }

    /// Sets the strength of every attached slider: that of `active`, or 0.
    pub(super) fn set_strengths(&self, active: &[&Resolved]) {
        for (_, loaded) in self.loaded.values() {
            if let Some(multiplier) = &loaded.multiplier {
                let own = active.iter().filter(|a| Rc::ptr_eq(&a.loaded, loaded));
                multiplier.set(own.filter_map(|a| a.raw).sum());
            }
        }
    }

    fn load(&mut self, path: &Path, unet: &UNet) -> Result<Rc<Loaded>> {
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
        if let Control::Slider(slider) = &control {
            let strength = Multiplier::new(0.0);
            slider.attach(unet, &strength)?;
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
    let attribute = info.attribute_of(&wanted.name).map(str::to_owned);
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
    let raw = raw_setting(wanted, info, attribute.as_deref(), notes);
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
            notes.push(format!(
                "control {}: it was never calibrated, so {} is taken as its raw setting; \
                 `vernier calibrate {}` gives it a scale",
                wanted.name, wanted.value, wanted.name
            ));
            wanted.value
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
    raw.filter(|&raw| raw != 0.0 || info.kind.takes_values())
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
        let raw = raw_setting(&wanted, &info, Some("smile"), &mut notes);
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
        assert_eq!(raw(direction, true, "smile=1.5"), (Some(6.0), 1));
    }

    #[test]
    fn a_closed_loop_uses_what_was_found() {
        let mut wanted: ControlUse = "smile:=0.7".parse().unwrap();
        assert_eq!(wanted.scale, ControlScale::Measured);
        let info = info(ControlKind::Direction, true);
        assert_eq!(
            raw_setting(&wanted, &info, Some("smile"), &mut Vec::new()),
            None
        );
        wanted.resolved = Some(1.25);
        assert_eq!(
            raw_setting(&wanted, &info, Some("smile"), &mut Vec::new()),
            Some(1.25)
        );
    }
}
