//! Handing controls on.

use std::path::Path;
use std::str::FromStr;

use crate::controls::{ControlFile, ControlKind, Slider, slider_file};
use crate::{EngineError, Result};

/// What a control is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// As it is, for this program elsewhere.
    Control,
    /// A LoRA that other programs read; sliders only.
    Lora,
}

impl FromStr for ExportFormat {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "control" => Ok(Self::Control),
            "lora" => Ok(Self::Lora),
            _ => Err(EngineError::request(
                "format",
                format!("\"{name}\" is not one of control, lora"),
            )),
        }
    }
}

/// Writes `control` to `out`, which must not be there yet.
///
/// # Errors
/// `out` is there, `control` is no slider where a LoRA is asked for, or the folder cannot be
/// written.
pub fn export_control(control: &ControlFile, format: ExportFormat, out: &Path) -> Result<()> {
    if out.exists() {
        let problem = "is there already; choose another name";
        return Err(EngineError::request(out.display().to_string(), problem));
    }
    match format {
        ExportFormat::Control => control.save_with(out, &control.info),
        ExportFormat::Lora if control.info.kind == ControlKind::Slider => {
            lora(&Slider::read(control)?).save(out, &[])
        }
        ExportFormat::Lora => Err(EngineError::request(
            "format",
            format!(
                "{} is no slider but of the kind {}, which other programs cannot use as a LoRA",
                control.info.name,
                control.info.kind.label()
            ),
        )),
    }
}

fn lora(slider: &Slider) -> slider_file::Slider {
    let layers = slider
        .layers()
        .iter()
        .map(|layer| slider_file::SliderLayer {
            path: layer.path.clone(),
            down: layer.down.shallow_clone(),
            up: layer.up.shallow_clone(),
            alpha: layer.scale * layer.down.size()[0] as f64,
        });
    slider_file::Slider {
        layers: layers.collect(),
        unused: Vec::new(),
    }
}
