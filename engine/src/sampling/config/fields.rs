//! Typed access to the fields of a `scheduler_config.json`, with errors that name the field.

use std::path::Path;

use serde_json::{Map, Value};

use super::Family;
use crate::{EngineError, Result};

/// Typed access to a JSON object's fields; null counts as absent, as Python's None does.
pub(super) struct Fields<'a> {
    pub(super) map: &'a Map<String, Value>,
    pub(super) path: &'a Path,
}

impl<'a> Fields<'a> {
    pub(super) fn bad(&self, field: &str, problem: impl Into<String>) -> EngineError {
        EngineError::bad_config(self.path, field, problem)
    }

    fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn read<T>(
        &self,
        field: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        self.get(field)
            .map(|value| {
                read(value).ok_or_else(|| self.bad(field, format!("is {value}; it must be {kind}")))
            })
            .transpose()
    }

    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>> {
        self.read(field, "true or false", Value::as_bool)
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<&'a str>> {
        self.read(field, "a string", Value::as_str)
    }

    pub(super) fn count(&self, field: &str) -> Result<Option<usize>> {
        self.read(field, "a whole number from 0 to 100000", |value| {
            let count = usize::try_from(value.as_u64()?).ok()?;
            (count <= 100_000).then_some(count)
        })
    }

    pub(super) fn number(&self, field: &str) -> Result<Option<f64>> {
        self.read(field, "a number", |value| match value.as_str() {
            Some("Infinity") => Some(f64::INFINITY),
            Some("-Infinity") => Some(f64::NEG_INFINITY),
            _ => value.as_f64(),
        })
    }

    pub(super) fn positive(&self, field: &str) -> Result<Option<f64>> {
        self.read(field, "a number above 0", |value| {
            value.as_f64().filter(|number| *number > 0.0)
        })
    }

    pub(super) fn beta(&self, field: &str) -> Result<Option<f64>> {
        self.read(field, "a number above 0 and below 1", as_beta)
    }

    pub(super) fn betas(&self, count: usize) -> Result<Option<Vec<f64>>> {
        let kind = format!("a list of {count} numbers above 0 and below 1");
        self.read("trained_betas", &kind, |value| {
            let betas: Vec<f64> = value
                .as_array()?
                .iter()
                .map(as_beta)
                .collect::<Option<_>>()?;
            (betas.len() == count).then_some(betas)
        })
    }

    pub(super) fn choice<T: Copy>(&self, field: &str, values: &[(&str, T)]) -> Result<Option<T>> {
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        self.read(field, &format!("one of {}", names.join(", ")), |value| {
            let text = value.as_str()?;
            values
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, meaning)| *meaning)
        })
    }

    /// What only some samplers look at: another sampler may run with the same folder.
    pub(super) fn unsupported(&self) -> Result<Vec<(Family, &'static str, String)>> {
        let mut found = Vec::new();
        for (family, field) in [
            (Family::Thresholding, "thresholding"),
            (Family::Sigmas, "use_beta_sigmas"),
            (Family::Dpmpp, "use_lu_lambdas"),
            (Family::Flow, "use_flow_sigmas"),
        ] {
            if self.flag(field)? == Some(true) {
                let problem = "is true, which is not supported; choose another sampler";
                found.push((family, field, problem.to_owned()));
            }
        }
        let other = |field: &str, supported: fn(&str) -> bool| -> Result<Option<String>> {
            Ok(self
                .text(field)?
                .filter(|value| !supported(value))
                .map(|value| {
                    format!("is \"{value}\", which is not supported; choose another sampler")
                }))
        };
        // "deis" is another solver's name, which diffusers' DPM++ reads as its own.
        let algorithm = other("algorithm_type", |v| matches!(v, "dpmsolver++" | "deis"))?;
        let variance = other("variance_type", |v| !v.starts_with("learned"))?;
        let timesteps = other("timestep_type", |v| v == "discrete")?;
        found.extend(algorithm.map(|problem| (Family::DpmppOde, "algorithm_type", problem)));
        if self.flag("predict_x0")? == Some(false) {
            let problem = "is false, which is not supported; choose another sampler".to_owned();
            found.push((Family::UniPc, "predict_x0", problem));
        }
        let disabled = self.get("disable_corrector").and_then(Value::as_array);
        if disabled.is_some_and(|steps| !steps.is_empty()) {
            let problem =
                "leaves the corrector out, which is not supported; choose another sampler";
            found.push((Family::UniPc, "disable_corrector", problem.to_owned()));
        }
        found.extend(variance.map(|problem| (Family::Dpmpp, "variance_type", problem)));
        found.extend(timesteps.map(|problem| (Family::Euler, "timestep_type", problem)));
        Ok(found)
    }
}

fn as_beta(value: &Value) -> Option<f64> {
    value.as_f64().filter(|beta| *beta > 0.0 && *beta < 1.0)
}

/// Python writes infinities as bare words, which JSON does not have; strings can carry them.
pub(super) fn quote_infinities(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    let mut in_string = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity"]
            .into_iter()
            .find(|word| !in_string && rest.starts_with(word));
        let length = if let Some(word) = word {
            quoted.push('"');
            quoted.push_str(word);
            quoted.push('"');
            word.len()
        } else {
            let escaped = usize::from(in_string && c == '\\');
            let length: usize = rest.chars().take(1 + escaped).map(char::len_utf8).sum();
            in_string ^= c == '"';
            quoted.push_str(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    quoted
}
