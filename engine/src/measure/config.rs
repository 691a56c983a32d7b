//! What a meter reads, and how its network is built.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Result};

/// Class names of this head are the nouns of the subjects that the meter knows.
pub(super) const KIND: &str = "kind";

/// One attribute that a meter reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadSpec {
    /// The attribute's name, such as `smile`.
    pub name: String,
    /// Class names of a discrete attribute; empty for a continuous one in 0..1.
    pub classes: Vec<String>,
    /// Nouns of the kinds of subjects that have the attribute; empty for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl HeadSpec {
    /// Number of outputs.
    pub fn width(&self) -> i64 {
        self.classes.len().max(1) as i64
    }
}

/// A meter's geometry and meaning, as its `config.json` holds them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeterConfig {
    /// Side of the square that regions are resized to, in pixels.
    pub input_px: i64,
    /// Channels of the trunk's levels; each level halves the resolution.
    pub channels: Vec<i64>,
    /// Channels a group in the norms.
    pub group_channels: i64,
    /// What is read from a subject's region.
    pub subject_heads: Vec<HeadSpec>,
    /// What is read from the whole picture.
    pub picture_heads: Vec<HeadSpec>,
    /// For pictures with one, two, … subjects: each subject's region as fractions
    /// `[left, top, right, bottom]` of the picture.
    pub regions: Vec<Vec<[f64; 4]>>,
}

impl MeterConfig {
    /// Fails where no network can be built as the configuration in `path` says.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        let bad = |field: &str, problem: &str| Err(EngineError::bad_config(path, field, problem));
        let group = self.group_channels;
        if group < 1 {
            return bad("group_channels", "must be at least 1");
        }
        if self.channels.is_empty() || self.channels.iter().any(|&c| c < group || c % group != 0) {
            return bad("channels", "must be multiples of group_channels");
        }
        let halvings = self.channels.len() as u32;
        let cell = 2_i64.checked_pow(halvings).unwrap_or(i64::MAX);
        if self.input_px < cell || self.input_px % cell != 0 {
            return bad(
                "input_px",
                "must be a multiple of 2 to the power of the number of channels",
            );
        }
        Ok(())
    }

    /// Nouns of the kinds of subjects that it tells apart.
    pub fn kinds(&self) -> Vec<String> {
        let kinds = self.subject_heads.iter().find(|h| h.name == KIND);
        kinds.map_or_else(Vec::new, |kinds| kinds.classes.clone())
    }

    /// The regions of the subjects of a picture with `subjects` of them.
    ///
    /// # Errors
    /// The meter does not know pictures with so many.
    pub fn regions_of(&self, subjects: usize) -> Result<&[[f64; 4]]> {
        let regions = subjects.checked_sub(1).and_then(|at| self.regions.get(at));
        match regions {
            Some(regions) if regions.len() == subjects => Ok(regions),
            _ => Err(EngineError::request(
                "regions",
                format!("the meter knows no pictures with {subjects} subjects; train it again"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::MeterConfig;

    fn config() -> MeterConfig {
        MeterConfig {
            input_px: 16,
            channels: vec![4, 8],
            group_channels: 2,
            subject_heads: Vec::new(),
            picture_heads: Vec::new(),
            regions: vec![vec![[0.0, 0.0, 1.0, 1.0]], vec![[0.0, 0.0, 0.5, 1.0]; 2]],
        }
    }

    #[test]
    fn more_subjects_than_the_meter_knows_are_refused() {
        assert_eq!(config().regions_of(2).unwrap().len(), 2);
        for unknown in [0, 3] {
            assert!(config().regions_of(unknown).is_err());
        }
    }

    #[test]
    fn a_network_that_cannot_be_built_is_refused_by_field() {
        let refused = |change: fn(&mut MeterConfig)| {
            let mut config = config();
            change(&mut config);
            let error = config.check(Path::new("config.json")).unwrap_err();
            error.to_string()
        };
        assert!(config().check(Path::new("config.json")).is_ok());
        assert!(refused(|c| c.group_channels = 0).contains("\"group_channels\""));
        assert!(refused(|c| c.channels = vec![4, 7]).contains("\"channels\""));
        assert!(refused(|c| c.channels = Vec::new()).contains("\"channels\""));
        assert!(refused(|c| c.input_px = 18).contains("\"input_px\""));
    }
}
