//! Concept Sliders.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};

use super::session::{Session, save, schedule_settings};
use super::{Schedule, TrainingEnd, TrainingNews, TrainingRequest};
use crate::Result;
use crate::controls::ControlKind;
use crate::train::slider::{SliderOptions, SliderTrainer, fresh_slider, with_parameters};

/// Trains the slider that `request` asks for and saves it; `preserved` words say what it shall
/// leave alone.
///
/// It can be stopped by `stop` and is resumed from its work folder.
///
/// # Errors
/// The model or the request cannot be used, the numbers stop being finite (the last saved state is
/// kept), or a folder cannot be written.
pub fn train_slider(
    request: &TrainingRequest,
    options: &SliderOptions,
    preserved: &[String],
    schedule: &Schedule,
    stop: Arc<AtomicBool>,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<TrainingEnd> {
    let session = Session::open(request, stop, news)?;
    let settings = settings(options, preserved, schedule);
    let mut shown = settings.clone();
    shown.insert("steps".to_owned(), schedule.steps.into());
    let info = session.info(ControlKind::Slider, "concept_slider", shown);
    // Knows the branches' places and scales; the trained tensors take the place of its own.
    let template = fresh_slider(&session.model.unet, options)?;
    let pairs = &request.pairs;
    let trained = session.train(
        schedule,
        &settings,
        &info,
        |averages| with_parameters(&template, averages)?.named(),
        |model, worker| SliderTrainer::new(model, pairs, preserved, *options, worker),
    )?;
    if trained.step < schedule.steps {
        return Ok(TrainingEnd::Stopped {
            step: trained.step,
            total_steps: schedule.steps,
        });
    }
    let slider = with_parameters(&template, &trained.averages)?;
    save(request, &info, &slider.named()?)?;
    Ok(TrainingEnd::Done(Box::new(info)))
}

fn settings(
    options: &SliderOptions,
    preserved: &[String],
    schedule: &Schedule,
) -> Map<String, Value> {
    let mut settings = schedule_settings(schedule);
    for (name, value) in [
        ("layers", json!(options.layers.name())),
        ("rank", json!(options.rank)),
        ("alpha", json!(options.alpha)),
        ("eta", json!(options.eta)),
        ("walks", json!(options.walks)),
        ("sampling_steps", json!(options.sampling_steps)),
        ("guidance_scale", json!(options.guidance_scale)),
        ("preserved", json!(preserved)),
        ("seed", json!(options.seed)),
    ] {
        settings.insert(name.to_owned(), value);
    }
    settings
}
