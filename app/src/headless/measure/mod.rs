//! `vernier measure` and `vernier calibrate`.

mod args;
mod edits;
mod tell;

use std::path::Path;

use serde_json::json;
use vernier_engine::EngineError;
use vernier_engine::checkpoint::{Checkpoint, MeterOptions};
use vernier_engine::controls::ControlFile;
use vernier_engine::measure::{Interference, Sweep, SweepReport, write_page};
use vernier_engine::recipe::{ControlUse, Recipe};
use vernier_engine::render::Defaults;
use vernier_engine::service::{
    CacheOptions, MeasureRequest, MeasureTask, Measured, PromptChoice, RenderOptions, SweepTask,
    WordsTask,
};

pub(super) use self::args::{CalibrateArgs, MeasureCommand};
use self::args::{InterferenceArgs, OnArgs, SweepArgs, WordsArgs};
use super::job::{Engine, require_writable_file, require_writable_folder};
use super::report::Reporter;
use super::say;
use crate::assets;
use crate::failure::Failure;

/// Measures what the options say.
pub(super) fn run(command: &MeasureCommand) -> Result<(), Failure> {
    match command {
        MeasureCommand::Edit(args) => told(args.json, |reporter| edits::edits(args, reporter)),
        MeasureCommand::Sweep(args) => told(args.on.json, |reporter| sweep(args, reporter)),
        MeasureCommand::Words(args) => told(args.on.json, |reporter| words(args, reporter)),
        MeasureCommand::Interference(args) => {
            told(args.on.json, |reporter| interference(args, reporter))
        }
    }
}

/// Calibrates a control.
pub(super) fn calibrate(args: &CalibrateArgs) -> Result<(), Failure> {
    told(args.on.json, |reporter| calibrated(args, reporter))
}

/// Does the work and tells programs how it ended where it failed.
fn told(
    json: bool,
    work: impl FnOnce(&mut Reporter) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reporter = Reporter::choose(json);
    let outcome = work(&mut reporter);
    if let Err(failure) = &outcome {
        reporter.failed(failure);
    }
    outcome
}

fn sweep(args: &SweepArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    let control = ControlUse {
        scale: args.scale,
        ..args.control.clone()
    };
    // One that asks for a reading no meter gives would fail picture by picture.
    for &value in &args.values.0 {
        let at = ControlUse {
            value,
            ..control.clone()
        };
        at.validate()?;
    }
    let task = MeasureTask::Sweep(SweepTask {
        control,
        settings: args.values.0.clone(),
    });
    swept(task, &args.out, &args.on, reporter)
}

fn words(args: &WordsArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    let task = MeasureTask::Words(WordsTask {
        attribute: args.attribute.clone(),
        subjects: args.subjects.clone(),
        wordings: args.wordings.clone(),
    });
    swept(task, &args.out, &args.on, reporter)
}

/// Has a sweep made and writes its files into `out`.
fn swept(
    task: MeasureTask,
    out: &Path,
    on: &OnArgs,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    require_writable_folder(out)?;
    let measured = measured(task, on, reporter)?;
    let Measured::Sweep { sweep, page } = measured else {
        return Err(unexpected());
    };
    sweep.write_csv(&out.join("sweep.csv"))?;
    sweep.write_json(&out.join("sweep.json"))?;
    write_page(&out.join("sweep.png"), &page)?;
    if on.json {
        say(&json!({"event": "measured", "statistics": sweep.statistics}).to_string());
    } else {
        tell::sweep(&sweep);
    }
    paths(out, &["sweep.csv", "sweep.json", "sweep.png"], on.json);
    Ok(())
}

fn calibrated(args: &CalibrateArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    if let Some(file) = &args.out {
        require_writable_file(file)?;
    }
    if let Some(folder) = &args.report {
        require_writable_folder(folder)?;
    }
    if args.unless_done && is_done(args)? {
        return Ok(());
    }
    let task = MeasureTask::Calibrate {
        control: args.control.clone(),
        out: args.out.clone(),
    };
    let measured = measured(task, &args.on, reporter)?;
    let Measured::Calibration { calibrated, saved } = measured else {
        return Err(unexpected());
    };
    if let Some(folder) = &args.report {
        let (low, high) = (calibrated.range.low.0, calibrated.range.high.0);
        keep(folder, "response", &calibrated.fine, Some([low, high]))?;
        keep(folder, "check", &calibrated.check, None)?;
    }
    if args.on.json {
        say(&json!({
            "event": "measured",
            "calibration": calibrated.calibration,
            "path": saved.display().to_string(),
        })
        .to_string());
    } else {
        tell::calibration(&calibrated);
        say(&saved.display().to_string());
    }
    Ok(())
}

/// Whether the control's own file has a calibration for the model at hand.
fn is_done(args: &CalibrateArgs) -> Result<bool, Failure> {
    let info = ControlFile::open(&assets::controls().find(&args.control)?)?.info;
    let attribute = info.attribute_of(&args.control);
    let Some(calibration) = attribute.and_then(|name| info.calibrations.get(name)) else {
        return Ok(false);
    };
    let folder = args.on.model.clone().unwrap_or_else(assets::embedded_model);
    Ok(calibration.model_hash == Checkpoint::open(&folder)?.hash()?)
}

/// Writes a sweep's table, figures and curves into `folder`.
fn keep(folder: &Path, name: &str, sweep: &Sweep, shaded: Option<[f64; 2]>) -> Result<(), Failure> {
    sweep.write_csv(&folder.join(format!("{name}.csv")))?;
    sweep.write_json(&folder.join(format!("{name}.json")))?;
    let page = SweepReport::of_curves(shaded).draw(sweep)?;
    write_page(&folder.join(format!("{name}.png")), &page)?;
    Ok(())
}

fn interference(args: &InterferenceArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    if let Some(file) = &args.out {
        require_writable_file(file)?;
    }
    let task = MeasureTask::Interference {
        controls: args.controls.clone(),
    };
    let measured = measured(task, &args.on, reporter)?;
    let Measured::Interference(found) = measured else {
        return Err(unexpected());
    };
    if let Some(file) = &args.out {
        Interference::write_json(&found, file)?;
    }
    if args.on.json {
        say(&json!({"event": "measured", "interference": found}).to_string());
    } else {
        tell::interference(&found);
    }
    Ok(())
}

fn paths(folder: &Path, names: &[&str], json: bool) {
    if !json {
        for name in names {
            say(&folder.join(name).display().to_string());
        }
    }
}

fn unexpected() -> Failure {
    Failure::Failed("the engine measured something else; please report it".to_owned())
}

/// Has the engine do `task`.
fn measured(task: MeasureTask, on: &OnArgs, reporter: &mut Reporter) -> Result<Measured, Failure> {
    let request = MeasureRequest {
        base: base(on)?,
        task,
        prompts: match &on.prompts {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| EngineError::io(path, e))?;
                PromptChoice::Own(text)
            }
            None => PromptChoice::Neutral {
                count: on.prompt_count as usize,
                nouns: on.nouns.clone(),
            },
        },
        seeds: (0..u64::from(on.seeds))
            .map(|i| on.seed.wrapping_add(i))
            .collect(),
        cache: on.cache.as_ref().map(|path| CacheOptions {
            path: path.clone(),
            shots: on.shots as usize,
        }),
    };
    request.base.validate()?;
    let options = RenderOptions {
        meter: MeterOptions {
            clip: on.clip.clone(),
            attributes: on.texts.iter().chain(&on.picture_texts).cloned().collect(),
            cache: None,
        },
        ..assets::render_options(on.device.parse()?)
    };
    Engine::start()?.measure(request, options, reporter)
}

/// What all pictures share.
fn base(on: &OnArgs) -> Result<Recipe, Failure> {
    let (model, folder) = assets::chosen_model(on.model.as_deref())?;
    let defaults = Defaults::of(&folder)?;
    let (width_px, height_px) = on.size.unwrap_or((defaults.width_px, defaults.height_px));
    Ok(Recipe {
        seed: on.seed,
        width_px,
        height_px,
        steps: on.steps.unwrap_or(defaults.steps),
        guidance_scale: on.guidance.unwrap_or(defaults.guidance_scale),
        sampler: match &on.sampler {
            Some(sampler) => sampler.clone(),
            None => defaults.sampler()?,
        },
        dtype: on.dtype.clone(),
        ..Recipe::new(model)
    })
}
