//! Token directions, by either method.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};
use tch::Tensor;

use super::session::{Session, save, schedule_settings};
use super::{Schedule, TrainingEnd, TrainingNews, TrainingRequest};
use crate::Result;
use crate::controls::{ControlKind, Direction};
use crate::train::direction::{DirectionOptions, DirectionTrainer};

/// How a direction comes to be.
#[derive(Debug, Clone)]
pub enum DirectionMethod {
    /// From the text encoder alone, in seconds.
    Difference,
    /// Through the U-Net.
    Learned(LearnedDirection),
}

/// How a direction is learnt.
#[derive(Debug, Clone)]
pub struct LearnedDirection {
    /// What a step is made of.
    pub options: DirectionOptions,
    /// Whether it starts from the text encoder's difference rather than from zero.
    pub from_difference: bool,
    /// How many steps there are. Its learning rate is in units of what the prompts themselves move
    /// the subject's embedding by (root mean square), so that it suits any text encoder.
    pub schedule: Schedule,
}

/// Makes the token direction that `request` asks for and saves it.
///
/// A learned one can be stopped by `stop` and is resumed from its work folder.
///
/// # Errors
/// A prompt does not name its subject, the model or the request cannot be used, the numbers stop
/// being finite (the last saved state is kept), a folder cannot be written, or a direction without
/// training was stopped ([`crate::EngineError::Cancelled`]).
pub fn train_direction(
    request: &TrainingRequest,
    method: &DirectionMethod,
    stop: Arc<AtomicBool>,
    news: &mut dyn FnMut(TrainingNews),
) -> Result<TrainingEnd> {
    for pair in &request.pairs {
        pair.check()?;
    }
    let mut session = Session::open(request, stop, news)?;
    let LearnedDirection {
        options,
        from_difference,
        schedule,
    } = match method {
        DirectionMethod::Learned(learned) => learned,
        DirectionMethod::Difference => {
            let direction = session.difference()?;
            let info = session.info(ControlKind::Direction, "clip_difference", Map::new());
            save(request, &info, &direction.named())?;
            return Ok(TrainingEnd::Done(Box::new(info)));
        }
    };
    let start = if *from_difference {
        Some(session.difference()?)
    } else {
        None
    };
    let settings = settings(options, *from_difference, schedule);
    let mut shown = settings.clone();
    shown.insert("steps".to_owned(), schedule.steps.into());
    let info = session.info(ControlKind::Direction, "learned", shown);
    let start = start.as_ref().map(Direction::deltas);
    let pairs = &request.pairs;
    let unit = session.learning_unit()?;
    let scaled = Schedule {
        learning_rate: schedule.learning_rate * unit,
        ..schedule.clone()
    };
    let trained = session.train(
        &scaled,
        &settings,
        &info,
        |averages| Ok(direction_of(averages).named()),
        |model, worker| DirectionTrainer::new(model, pairs.clone(), *options, start, worker),
    )?;
    if trained.step < schedule.steps {
        return Ok(TrainingEnd::Stopped {
            step: trained.step,
            total_steps: schedule.steps,
        });
    }
    save(request, &info, &direction_of(&trained.averages).named())?;
    Ok(TrainingEnd::Done(Box::new(info)))
}

/// The direction of trained parameters, which come in the order of the encoders.
fn direction_of(averages: &[(String, Tensor)]) -> Direction {
    Direction::new(averages.iter().map(|(_, t)| t.shallow_clone()).collect())
}

fn settings(
    options: &DirectionOptions,
    from_difference: bool,
    schedule: &Schedule,
) -> Map<String, Value> {
    let mut settings = schedule_settings(schedule);
    for (name, value) in [
        ("loss", json!(options.loss.name())),
        ("walks", json!(options.walks)),
        ("sampling_steps", json!(options.sampling_steps)),
        ("guidance_scale", json!(options.guidance_scale)),
        ("scales", json!(options.scales)),
        (
            "scale_range",
            json!([options.scale_range.0, options.scale_range.1]),
        ),
        ("seed", json!(options.seed)),
        ("from_difference", json!(from_difference)),
    ] {
        settings.insert(name.to_owned(), value);
    }
    settings
}
