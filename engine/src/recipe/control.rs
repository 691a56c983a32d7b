//! One control at work in one picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::number;
use crate::{EngineError, Result};

/// How the names of control files end.
const FILE_ENDING: &str = ".safetensors";

/// What the number of a [`ControlUse`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlScale {
    /// -1 and 1 are the ends of the control's reliable range, 0 changes nothing. A control that
    /// was never calibrated takes the number as [`ControlScale::Raw`].
    #[default]
    Calibrated,
    /// The method's own multiplier: α of a direction, a slider's strength, an adapter's value.
    Raw,
    /// The value, 0..1, that the meter shall read: the loop is closed until it does.
    Measured,
}

/// A control, whom it works on, and how far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlUse {
    /// The control's name, such as `smile`; one attribute of an adapter is `adapter/attribute`.
    pub name: String,
    /// The subject's words in the prompt, such as `woman`; absent for the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How far, on `scale`.
    pub value: f64,
    /// What `value` means.
    #[serde(default)]
    pub scale: ControlScale,
    /// Fraction of the steps, 0..1, that pass before it begins; absent for the control's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// The raw value that the picture was made with, filled in by the render. A closed loop is
    /// not searched again where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<f64>,
    /// Where the control's file was found; absent for those that come with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the control's file in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl ControlUse {
    /// The control `name` on `subject` at `value`, in calibrated units.
    pub fn new(name: impl Into<String>, subject: Option<&str>, value: f64) -> Self {
        Self {
            name: name.into(),
            subject: subject.map(str::to_owned),
            value,
            scale: ControlScale::Calibrated,
            start: None,
            resolved: None,
            path: None,
            hash: String::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// What its name says: a control, or the path of a control's file, and behind a slash one of
    /// its attributes.
    pub fn file_and_attribute(&self) -> (&str, Option<&str>) {
        let file_end = self.name.find(FILE_ENDING).map(|at| at + FILE_ENDING.len());
        match file_end.map(|end| self.name.split_at(end)) {
            Some((file, rest)) => (file, rest.strip_prefix('/')),
            None => match self.name.split_once('/') {
                Some((control, attribute)) => (control, Some(attribute)),
                None => (&self.name, None),
            },
        }
    }

    /// Checks what can be checked without the control's file.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the control and what is wrong with it.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(EngineError::request(self.to_string(), problem));
        if self.name.trim().is_empty() {
            return Err(EngineError::request("control", "has no name"));
        }
        if !self.value.is_finite() || self.resolved.is_some_and(|r| !r.is_finite()) {
            return refuse(format!("{} is not a finite number", self.value));
        }
        if self.scale == ControlScale::Measured && !(0.0..=1.0).contains(&self.value) {
            return refuse(format!(
                "a meter reads 0 to 1 and never {}; ask for a value between",
                self.value
            ));
        }
        if let Some(start) = self.start.filter(|start| !(0.0..1.0).contains(start)) {
            return refuse(format!(
                "it cannot start after {start} of the steps; give a fraction from 0 to below 1"
            ));
        }
        Ok(())
    }
}

/// As the command line takes it: `smile@woman=0.5`, `smile@woman:=0.8`, `brightness~1.5`.
impl fmt::Display for ControlUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(subject) = &self.subject {
            write!(f, "@{subject}")?;
        }
        let sign = match self.scale {
            ControlScale::Calibrated => "=",
            ControlScale::Raw => "~",
            ControlScale::Measured => ":=",
        };
        write!(f, "{sign}{}", self.value)?;
        match self.start {
            Some(start) => write!(f, ",start={start}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ControlUse {
    type Err = EngineError;

    /// Reads `NAME[@SUBJECT]=X` (calibrated), `NAME[@SUBJECT]:=X` (measured) or `NAME[@SUBJECT]~X`
    /// (raw), each with `,start=F` after it where the control's own start is not wanted.
    fn from_str(text: &str) -> Result<Self> {
        let field = format!("control \"{text}\"");
        let bad = |problem: &str| EngineError::request(field.as_str(), problem);
        let (main, start) = match text.rsplit_once(",start=") {
            None => (text, None),
            Some((main, start)) => {
                let start = start.trim().parse();
                (
                    main,
                    Some(start.map_err(|_| bad("start must be a number"))?),
                )
            }
        };
        let at = main
            .rfind(['=', '~'])
            .ok_or_else(|| bad("write it as NAME@SUBJECT=X, such as smile@woman=0.5"))?;
        let (place, value) = (&main[..at], &main[at + 1..]);
        let (place, scale) = match (place.strip_suffix(':'), main.as_bytes()[at]) {
            (Some(place), b'=') => (place, ControlScale::Measured),
            (_, b'=') => (place, ControlScale::Calibrated),
            _ => (place, ControlScale::Raw),
        };
        let (name, subject) = match place.split_once('@') {
            Some((_, subject)) if subject.trim().is_empty() => {
                return Err(bad(
                    "names no subject after the @; leave both out for the whole picture",
                ));
            }
            Some((name, subject)) => (name, Some(subject.trim())),
            None => (place, None),
        };
        let value = number(&field, value)?;
        let control = Self {
            scale,
            start,
            ..Self::new(name.trim(), subject, value)
        };
        control.validate()?;
        Ok(control)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_signs_mean_three_scales() {
        let read = |text: &str| text.parse::<ControlUse>().unwrap();
        let calibrated = read("smile@the young woman=-0.5");
        assert_eq!(calibrated.subject.as_deref(), Some("the young woman"));
        assert_eq!(
            (calibrated.value, calibrated.scale),
            (-0.5, ControlScale::Calibrated)
        );
        let measured = read("face/smile@man:=0.8,start=0.1");
        assert_eq!(
            (measured.name.as_str(), measured.start),
            ("face/smile", Some(0.1))
        );
        assert_eq!(measured.scale, ControlScale::Measured);
        let raw = read("brightness~2");
        assert_eq!((raw.scale, raw.subject), (ControlScale::Raw, None));
    }

    #[test]
    fn a_name_is_a_control_or_a_file_and_may_choose_an_attribute() {
        for (name, file, attribute) in [
            ("smile", "smile", None),
            ("face/smile", "face", Some("smile")),
            ("../c/face.safetensors", "../c/face.safetensors", None),
            ("c/face.safetensors/age", "c/face.safetensors", Some("age")),
        ] {
            let control = ControlUse::new(name, None, 1.0);
            assert_eq!(control.file_and_attribute(), (file, attribute));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, expected) in [
            ("smile", "write it as"),
            ("smile@=1", "no subject"),
            ("=1", "no name"),
            ("smile=high", "\"high\" is not a number"),
            ("smile=inf", "finite"),
            ("smile:=1.2", "reads 0 to 1"),
            ("smile=1,start=1", "fraction"),
            ("smile=1,start=late", "start must be a number"),
        ] {
            let error = text.parse::<ControlUse>().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(expected),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(
            name in "[a-z_]{1,8}(/[a-z]{1,5})?",
            subject in proptest::option::of("[a-z]{1,6}( [a-z]{1,6})?"),
            value in -4.0_f64..4.0,
            scale in 0..3_usize,
            start in proptest::option::of(0.0_f64..0.99),
        ) {
            let scale = [ControlScale::Calibrated, ControlScale::Raw, ControlScale::Measured][scale];
            let value = if scale == ControlScale::Measured { value.abs() / 4.0 } else { value };
            let control = ControlUse {
                scale,
                start,
                ..ControlUse::new(name, subject.as_deref(), value)
            };
            prop_assert_eq!(control.to_string().parse::<ControlUse>().unwrap(), control);
        }
    }
}
