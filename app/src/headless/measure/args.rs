//! Options of `vernier measure` and `vernier calibrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vernier_engine::EngineError;
use vernier_engine::measure::{ClipAttribute, EditTrial, TextPair};
use vernier_engine::recipe::{ControlScale, ControlUse};

use crate::headless::cli::{parse_control, parse_size};

/// What is measured.
#[derive(Debug, Subcommand)]
pub(in crate::headless) enum MeasureCommand {
    /// Move a control over its settings and read what changes: sweep.csv, sweep.json and sweep.png
    Sweep(Box<SweepArgs>),
    /// Say more and less of an attribute in words, without any control, and read what changes: the
    /// same files as a sweep
    Words(Box<WordsArgs>),
    /// Set several controls at once and read what they do to one another
    Interference(Box<InterferenceArgs>),
    /// Edit many pictures by words, by several ways of editing, and read what changes that was asked
    /// for and what was not: edits.md, edits.csv, edits.json and edits.png
    Edit(Box<EditArgs>),
}

/// Options of a sweep.
#[derive(Debug, Args)]
pub(in crate::headless) struct SweepArgs {
    /// Which control, as NAME or NAME@SUBJECT
    #[arg(long, value_name = "CONTROL", value_parser = parse_name)]
    pub(super) control: ControlUse,
    /// Settings, as A,B,C or as FROM..TOxCOUNT, such as -1..1x9
    #[arg(long, value_name = "LIST", value_parser = parse_values, allow_hyphen_values = true)]
    pub(super) values: Values,
    /// What the settings are: calibrated units, raw ones, or readings to reach (measured)
    #[arg(long, value_name = "SCALE", value_parser = parse_scale, default_value = "calibrated")]
    pub(super) scale: ControlScale,
    /// Folder for sweep.csv, sweep.json and sweep.png
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) on: OnArgs,
}

/// Options of a sweep over words.
#[derive(Debug, Args)]
pub(in crate::headless) struct WordsArgs {
    /// Which attribute to read
    #[arg(long, value_name = "NAME")]
    pub(super) attribute: String,
    /// The nouns that can have it, as A,B,C; every prompt names one of them
    #[arg(long, value_name = "NOUNS", value_delimiter = ',', required = true)]
    pub(super) subjects: Vec<String>,
    /// What to say in the place of the noun and its article, such as "an old {subject}". Two or
    /// more, from the least to the most of the attribute
    #[arg(long = "wording", value_name = "TEXT", required = true)]
    pub(super) wordings: Vec<String>,
    /// Folder for sweep.csv, sweep.json and sweep.png
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) on: OnArgs,
}

/// Options of a calibration.
#[derive(Debug, Args)]
pub(in crate::headless) struct CalibrateArgs {
    /// Which control, as NAME, NAME@SUBJECT or, for one attribute of an adapter, NAME/ATTRIBUTE
    #[arg(value_name = "CONTROL", value_parser = parse_name)]
    pub(super) control: ControlUse,
    /// Write the calibrated control here [default: into its own file]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Also keep the readings and their curves in this folder
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Do nothing where the control is calibrated for this model
    #[arg(long)]
    pub(super) unless_done: bool,
    #[command(flatten)]
    pub(super) on: OnArgs,
}

/// Options of an interference measurement.
#[derive(Debug, Args)]
pub(in crate::headless) struct InterferenceArgs {
    /// A control at its setting, as `vernier render` takes it; two or more
    #[arg(long = "control", value_name = "CONTROL", value_parser = parse_control, required = true)]
    pub(super) controls: Vec<ControlUse>,
    /// Write everything that was measured to this JSON file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) on: OnArgs,
}

/// Options of a bench of edits.
#[derive(Debug, Args)]
pub(in crate::headless) struct EditArgs {
    /// A list of cases in JSON: pictures, what they show, changes and masks
    #[arg(value_name = "CASES.json")]
    pub(super) cases: PathBuf,
    /// So many cases only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) first: Option<u32>,
    /// Begin after so many cases of the list
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) skip: u32,
    /// Ways of editing, as A,B,C, of ours, without_words, without_regions, without_background,
    /// without_structure, without_detail, ale_published, virtual_inversion, prompt_to_prompt, ddim_inversion,
    /// no_edit and truth [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_trial)]
    pub(super) trials: Vec<EditTrial>,
    /// How many cases edits.png shows at most
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub(super) shown: u32,
    /// Folder for edits.md, edits.csv, edits.json and edits.png
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Model folder in diffusers layout [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// Seed of the first case of the list; the next ones count up
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Steps [default: what suits the model]
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u32>,
    /// Guidance scale; 1 turns guidance off [default: that of `vernier edit`]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(super) guidance: Option<f64>,
    /// Width and height in pixels, multiples of 8 [default: the model's own]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(super) size: Option<(u32, u32)>,
    /// Dtype of the U-Net and the text encoder: f32, bf16, or on CUDA f16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(super) dtype: String,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Both towers of CLIP, which then judge whether edits succeeded too [default: the model's own
    /// folder clip, and its meter]
    #[arg(long, value_name = "DIR")]
    pub(super) clip: Option<PathBuf>,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// On which pictures, and by which meter.
#[derive(Debug, Args)]
pub(super) struct OnArgs {
    /// Model folder in diffusers layout [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// Prompts to measure on, one a line [default: neutral ones for the control's subjects]
    #[arg(long, value_name = "FILE")]
    pub(super) prompts: Option<PathBuf>,
    /// How many neutral prompts
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) prompt_count: u32,
    /// Nouns of the neutral prompts, as A,B,C [default: those that the control is for]
    #[arg(
        long,
        value_name = "NOUNS",
        value_delimiter = ',',
        conflicts_with = "prompts"
    )]
    pub(super) nouns: Vec<String>,
    /// How many seeds a prompt
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) seeds: u32,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Sampling steps [default: what suits the model]
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u32>,
    /// Guidance scale; 1 turns guidance off [default: what suits the model]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(super) guidance: Option<f64>,
    /// Sampler [default: the model's own]
    #[arg(long, value_name = "NAME")]
    pub(super) sampler: Option<String>,
    /// Width and height in pixels, multiples of 8 [default: the model's own]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(super) size: Option<(u32, u32)>,
    /// Dtype of the U-Net and the text encoder: f32, bf16, or on CUDA f16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(super) dtype: String,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Read pictures with the CLIP in this folder (both towers) [default: the meter in the model's
    /// own folder]
    #[arg(long, value_name = "DIR")]
    pub(super) clip: Option<PathBuf>,
    /// What CLIP shall take for an attribute of a subject: NAME=MUCH|NONE, two texts. Repeatable
    #[arg(long, value_name = "TEXTS", value_parser = parse_subject_texts, requires = "clip")]
    pub(super) texts: Vec<ClipAttribute>,
    /// The same for an attribute of the whole picture
    #[arg(long, value_name = "TEXTS", value_parser = parse_picture_texts, requires = "clip")]
    pub(super) picture_texts: Vec<ClipAttribute>,
    /// Steady CLIP by pictures that the model makes of those texts, kept in this file
    #[arg(long, value_name = "FILE", requires = "clip")]
    pub(super) cache: Option<PathBuf>,
    /// How many pictures a text, where the cache is made
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub(super) shots: u32,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// Settings of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values(pub(super) Vec<f64>);

/// NAME or NAME@SUBJECT.
fn parse_name(text: &str) -> Result<ControlUse, String> {
    if text.contains(['=', '~']) {
        return Err("give it without a setting, as NAME or NAME@SUBJECT".to_owned());
    }
    let control: Result<ControlUse, EngineError> = format!("{text}=0").parse();
    control.map_err(|e| e.to_string())
}

/// A,B,C or FROM..TOxCOUNT.
fn parse_values(text: &str) -> Result<Values, String> {
    let bad = || "write it as A,B,C or as FROM..TOxCOUNT, such as -1..1x9".to_owned();
    let number = |text: &str| -> Result<f64, String> {
        let value: f64 = text.trim().parse().map_err(|_| bad())?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(bad())
        }
    };
    let Some((from, rest)) = text.split_once("..") else {
        let values = text.split(',').map(number).collect::<Result<_, _>>()?;
        return Ok(Values(values));
    };
    let (to, count) = rest.split_once('x').ok_or_else(bad)?;
    let (from, to) = (number(from)?, number(to)?);
    let count: u32 = count.trim().parse().map_err(|_| bad())?;
    if !(2..=1000).contains(&count) {
        return Err("COUNT must be from 2 to 1000".to_owned());
    }
    let last = f64::from(count - 1);
    // From both ends, so that the middle of -1..1 is exactly 0.
    let at = |i: u32| (from * (last - f64::from(i)) + to * f64::from(i)) / last;
    Ok(Values((0..count).map(at).collect()))
}

fn parse_scale(text: &str) -> Result<ControlScale, String> {
    match text {
        "calibrated" => Ok(ControlScale::Calibrated),
        "raw" => Ok(ControlScale::Raw),
        "measured" => Ok(ControlScale::Measured),
        _ => Err("it is calibrated, raw or measured".to_owned()),
    }
}

fn parse_trial(text: &str) -> Result<EditTrial, String> {
    let asked = text.trim().replace('-', "_");
    let found = EditTrial::ALL.into_iter().find(|t| t.name() == asked);
    found.ok_or_else(|| {
        let all = EditTrial::ALL.map(EditTrial::name).join(", ");
        format!("it is one of {all}")
    })
}

fn parse_subject_texts(text: &str) -> Result<ClipAttribute, String> {
    parse_texts(text, true)
}

fn parse_picture_texts(text: &str) -> Result<ClipAttribute, String> {
    parse_texts(text, false)
}

fn parse_texts(text: &str, of_subject: bool) -> Result<ClipAttribute, String> {
    let parts = text.split_once('=').and_then(|(name, texts)| {
        let (positive, negative) = texts.split_once('|')?;
        Some([name, positive, negative].map(str::trim))
    });
    match parts {
        Some([name, positive, negative])
            if ![name, positive, negative].contains(&"") && positive != negative =>
        {
            Ok(ClipAttribute {
                name: name.to_owned(),
                of_subject,
                texts: TextPair::new(positive, negative),
            })
        }
        _ => {
            Err("write it as NAME=MUCH|NONE, such as \"smile=a happy face|a sad face\"".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lists_or_ranges() {
        assert_eq!(
            parse_values("-1..1x5").unwrap().0,
            [-1.0, -0.5, 0.0, 0.5, 1.0]
        );
        assert_eq!(parse_values("0.25, -2").unwrap().0, [0.25, -2.0]);
        assert!(parse_values("-0.7..0.7x3").unwrap().0[1].abs() < 1e-12);
        for bad in ["", "a", "1..2", "1..2x1", "1..ax3", "nan", "1..2x9999"] {
            assert!(parse_values(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn controls_are_named_without_a_setting() {
        let control = parse_name("face/smile@the woman").unwrap();
        assert_eq!(
            (control.name.as_str(), control.subject.as_deref()),
            ("face/smile", Some("the woman"))
        );
        for bad in ["smile=1", "smile~1", "@man", "smile@"] {
            assert!(parse_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_two() {
        let texts = parse_texts("smile= a happy face |a sad face", true).unwrap();
        assert_eq!(texts.texts, TextPair::new("a happy face", "a sad face"));
        for bad in ["smile", "smile=a", "smile=a|a", "=a|b", "smile=|b"] {
            assert!(parse_texts(bad, true).is_err(), "{bad}");
        }
    }
}
