//! A control, ready to be used.

use super::{AttAdapter, ControlFile, ControlKind, Direction, Slider, ValueEncoder};
use crate::Result;

/// A control's tensors, by the way in which they reach into a render.
#[derive(Debug)]
pub enum Control {
    /// Moves the subject's tokens.
    Direction(Direction),
    /// Adds branches to the U-Net's layers.
    Slider(Slider),
    /// Adds tokens of values beside the text's.
    Value(ValueEncoder),
    /// Adds a second cross-attention fed by values.
    AttAdapter(Box<AttAdapter>),
    /// Pushes the predicted picture along a meter's gradient; the strength is in its settings.
    Guidance {
        /// How far each step goes, as a part of the distance to the asked value.
        strength: f64,
    },
}

impl Control {
    /// Reads what `file` holds.
    ///
    /// # Errors
    /// The tensors are not those of its kind.
    pub fn read(file: &ControlFile) -> Result<Self> {
        match file.info.kind {
            ControlKind::Direction => Ok(Self::Direction(Direction::read(file)?)),
            ControlKind::Slider => Ok(Self::Slider(Slider::read(file)?)),
            ControlKind::Guidance => {
                let strength = file.info.settings.get("strength");
                Ok(Self::Guidance {
                    strength: strength.and_then(serde_json::Value::as_f64).unwrap_or(1.0),
                })
            }
            ControlKind::Value => Ok(Self::Value(ValueEncoder::read(file)?)),
            ControlKind::AttAdapter => Ok(Self::AttAdapter(Box::new(AttAdapter::read(file)?))),
        }
    }

    /// The values of `attribute` that it was made for, low and high, where its raw setting is a
    /// value rather than a strength.
    pub fn value_range(&self, attribute: &str) -> Option<[f64; 2]> {
        match self {
            Self::Direction(_) | Self::Slider(_) => None,
            Self::Value(_) | Self::Guidance { .. } => Some([0.0, 1.0]),
            Self::AttAdapter(adapter) => {
                let mut ranges = adapter.ranges().iter();
                let range = ranges.find(|range| range.name == attribute)?;
                Some([range.low, range.high])
            }
        }
    }
}
