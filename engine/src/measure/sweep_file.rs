//! Sweeps as files: JSON for programs, CSV for tables.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::{Interference, SWEEP_VERSION, Sweep};
use crate::atomic::{self, Existing};
use crate::{EngineError, Result};

impl Sweep {
    /// Writes everything as JSON, whole or not at all.
    ///
    /// # Errors
    /// A figure is not finite, or the folder cannot be written.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| EngineError::bad_file(path, format!("cannot be written: {e}")))?;
        write(path, (text + "\n").as_bytes())
    }

    /// Reads what [`Sweep::write_json`] wrote.
    ///
    /// # Errors
    /// The file is missing, damaged, or of a newer version.
    pub fn read_json(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| EngineError::io(path, e))?;
        let no_sweep = |e| EngineError::bad_file(path, format!("is not a sweep: {e}"));
        let value: serde_json::Value = serde_json::from_str(&text).map_err(no_sweep)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version.is_some_and(|v| v > u64::from(SWEEP_VERSION)) {
            return Err(EngineError::bad_config(
                path,
                "version",
                "is newer than this program reads; update Vernier",
            ));
        }
        serde_json::from_value(value).map_err(no_sweep)
    }

    /// Writes one line a picture as CSV (RFC 4180), whole or not at all. What a picture lacks is
    /// empty, as is the setting of those without the control.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let bad = |e| EngineError::bad_file(path, format!("cannot be written: {e}"));
        write(path, &self.to_csv().map_err(bad)?)
    }

    fn to_csv(&self) -> Result<Vec<u8>, csv::Error> {
        let attribute = &self.about.attribute;
        let names = self.readings.iter().flat_map(|r| r.others.keys());
        let others: BTreeSet<&String> = names.collect();
        let mut table = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let mut header: Vec<String> = [
            "control",
            "prompt",
            "subject",
            "seed",
            "setting",
            attribute.as_str(),
            &format!("{attribute} of the other subject"),
            "kind kept",
            "ssim",
            "ssim inside",
            "ssim outside",
            "distance",
        ]
        .map(str::to_owned)
        .to_vec();
        header.extend(others.iter().map(|name| (*name).clone()));
        table.write_record(&header)?;
        let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
        for reading in &self.readings {
            let prompt = self.prompts.get(reading.prompt);
            let kept = reading.kind_kept.map(|kept| kept.to_string());
            let mut fields = vec![
                self.about.control.clone(),
                prompt.map_or_else(String::new, |p| p.text.clone()),
                prompt.and_then(|p| p.subject.clone()).unwrap_or_default(),
                reading.seed.to_string(),
                number(reading.setting),
                reading.target.to_string(),
                number(reading.other_subject),
                kept.unwrap_or_default(),
                reading.ssim.to_string(),
                number(reading.ssim_inside),
                number(reading.ssim_outside),
                number(reading.distance),
            ];
            let read = |name: &&String| number(reading.others.get(*name).copied());
            fields.extend(others.iter().map(read));
            table.write_record(&fields)?;
        }
        table.into_inner().map_err(|e| e.into_error().into())
    }
}

impl Interference {
    /// Writes everything as JSON, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| EngineError::bad_file(path, format!("cannot be written: {e}")))?;
        write(path, (text + "\n").as_bytes())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic::write(path, Existing::Replace, |file| {
        file.write_all(bytes).map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::sweep::tests::pair;
    use super::super::{SweepReading, SweepStatistics, SweepSubject};
    use super::*;
    use crate::recipe::ControlScale;

    fn sweep() -> Sweep {
        let reading = |setting: Option<f64>, target: f64| SweepReading {
            prompt: 0,
            seed: 7,
            setting,
            target,
            others: BTreeMap::from([("age".to_owned(), 0.25)]),
            other_subject: setting,
            kind_kept: Some(true),
            ssim: 1.0,
            ssim_inside: None,
            ssim_outside: Some(0.5),
            distance: None,
        };
        let mut prompt = pair();
        prompt.text = "a \"man\", smiling".to_owned();
        let mut sweep = Sweep {
            version: SWEEP_VERSION,
            about: SweepSubject {
                control: "smile@man".to_owned(),
                scale: ControlScale::Calibrated,
                asks_readings: false,
                attribute: "smile".to_owned(),
            },
            model_hash: "ab".to_owned(),
            meter: "meter".to_owned(),
            settings: vec![-1.0, 1.0],
            prompts: vec![prompt],
            seeds: vec![7],
            readings: vec![
                reading(None, 0.5),
                reading(Some(-1.0), 0.25),
                reading(Some(1.0), 0.75),
            ],
            statistics: SweepStatistics::default(),
        };
        sweep.statistics = SweepStatistics::of(&sweep);
        sweep
    }

    #[test]
    fn json_gives_back_the_same_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.json");
        let sweep = sweep();
        sweep.write_json(&path).unwrap();
        assert_eq!(Sweep::read_json(&path).unwrap(), sweep);
        std::fs::write(&path, "{\"version\": 9}").unwrap();
        let error = Sweep::read_json(&path).unwrap_err().to_string();
        assert!(error.contains("update Vernier"), "{error}");
        std::fs::write(&path, "[]").unwrap();
        let error = Sweep::read_json(&path).unwrap_err().to_string();
        assert!(error.contains("is not a sweep"), "{error}");
    }

    #[test]
    fn a_table_has_a_line_a_picture_and_quotes_what_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.csv");
        sweep().write_csv(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "control,prompt,subject,seed,setting,smile,smile of the other subject,kind kept,ssim,\
             ssim inside,ssim outside,distance,age"
        );
        let row = "smile@man,\"a \"\"man\"\", smiling\",man,7";
        assert_eq!(lines[1], format!("{row},,0.5,,true,1,,0.5,,0.25"));
        assert_eq!(lines[2], format!("{row},-1,0.25,-1,true,1,,0.5,,0.25"));
        assert_eq!((lines.len(), lines[4]), (5, ""));
    }
}
