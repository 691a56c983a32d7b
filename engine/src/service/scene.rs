//! What a meter reads of everybody in one picture.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use super::{Event, JobId, RenderOptions, SceneRequest};
use crate::checkpoint::open_meter;
use crate::measure::{Meter, PlacedSubject, picture_tensor};
use crate::talk::{PictureReadings, SubjectReadings};
use crate::{Result, device};

/// Reads what `request` asks for and tells it in `events`. A model without a meter reads nothing,
/// which is said.
pub(super) fn read(
    job: JobId,
    request: &SceneRequest,
    options: &RenderOptions,
    events: &Sender<Event>,
) -> Result<()> {
    events.send(Event::Started { job, pictures: 1 }).ok();
    let folder = request.model.as_ref().unwrap_or(&options.embedded_model);
    let device = device::choose(options.device)?.device;
    let readings = match open_meter(folder, &options.meter, device) {
        Ok(meter) => all_of(request, meter.as_ref(), device)?,
        Err(error) if options.meter.clip.is_none() => {
            let message = format!("nothing is read from the picture: {error}");
            events.send(Event::Note { job, message }).ok();
            PictureReadings::default()
        }
        Err(error) => return Err(error),
    };
    let readings = Box::new(readings);
    events.send(Event::Scene { job, readings }).ok();
    Ok(())
}

fn all_of(
    request: &SceneRequest,
    meter: &dyn Meter,
    device: tch::Device,
) -> Result<PictureReadings> {
    let _guard = tch::no_grad_guard();
    let pixels = picture_tensor(&[&request.picture])?.f_to_device(device)?;
    let first = |read: BTreeMap<String, Vec<f64>>| -> BTreeMap<String, f64> {
        let one = |(name, values): (String, Vec<f64>)| Some((name, *values.first()?));
        read.into_iter().filter_map(one).collect()
    };
    let subject = |placed: PlacedSubject| {
        let mut readings = first(meter.read_all(&pixels, Some(placed.place))?);
        readings.retain(|attribute, _| meter.applies(attribute, &placed.noun));
        Ok(SubjectReadings {
            noun: placed.noun,
            bytes: placed.bytes,
            place: placed.place,
            readings,
        })
    };
    let subjects = meter.subjects(&request.prompt).into_iter().map(subject);
    Ok(PictureReadings {
        subjects: subjects.collect::<Result<_>>()?,
        picture: first(meter.read_all(&pixels, None)?),
        nouns: meter.nouns(),
    })
}
