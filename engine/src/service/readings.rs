//! Numbers read from pictures that lie on the disk.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use super::{Event, JobId, ReadRequest, ReadWhat, RenderOptions};
use crate::checkpoint::{open_clip, open_meter};
use crate::device;
use crate::measure::{ClipReader, Meter, Place, Quantity, picture_tensor};
use crate::picture::Picture;
use crate::render::Defaults;
use crate::train::folder::read_picture;
use crate::{EngineError, Result};

/// Pictures that are told of at once.
const AT_ONCE: usize = 16;
/// Where the one subject of a picture stands.
const ONLY: Place = Place { index: 0, count: 1 };
/// Folder of both CLIP towers within a model's folder, where it brings some.
const OWN_CLIP: &str = "clip";

/// What reads.
enum Reader {
    Quantity(Quantity, Option<Box<ClipReader>>),
    Meter(Box<dyn Meter>, String, Option<Place>),
}

/// Reads what `request` asks for, and tells it bit by bit in `events`.
pub(super) fn read(
    job: JobId,
    request: &ReadRequest,
    options: &RenderOptions,
    stop: &AtomicBool,
    events: &Sender<Event>,
) -> Result<()> {
    let pictures = request.pictures.len();
    events.send(Event::Started { job, pictures }).ok();
    let folder = request.model.as_ref().unwrap_or(&options.embedded_model);
    let defaults = Defaults::of(folder)?;
    let size_px = (defaults.width_px, defaults.height_px);
    let reader = Reader::open(&request.what, folder, options)?;
    let _guard = tch::no_grad_guard();
    for (at, paths) in request.pictures.chunks(AT_ONCE).enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Cancelled);
        }
        let mut readings = Vec::with_capacity(paths.len());
        for path in paths {
            let read = read_picture(path, size_px).and_then(|picture| reader.read(&picture));
            readings.push(read.map_err(|e| e.to_string()));
        }
        let told = Event::Readings {
            job,
            first: at * AT_ONCE,
            readings,
        };
        if events.send(told).is_err() {
            return Err(EngineError::Cancelled);
        }
    }
    Ok(())
}

impl Reader {
    fn open(what: &ReadWhat, folder: &Path, options: &RenderOptions) -> Result<Self> {
        let device = device::choose(options.device)?.device;
        match what {
            ReadWhat::Quantity(quantity) => {
                let own = folder.join(OWN_CLIP);
                let clip = options.meter.clip.as_ref();
                let clip = clip.or_else(|| own.is_dir().then_some(&own));
                let clip = clip.filter(|_| quantity.needs_clip());
                let clip = clip.map(|clip| open_clip(clip, device)).transpose()?;
                Ok(Self::Quantity(quantity.clone(), clip.map(Box::new)))
            }
            ReadWhat::Attribute(name) => {
                let meter = open_meter(folder, &options.meter, device)?;
                let is_subjects = meter.subject_attributes().contains(name);
                Ok(Self::Meter(
                    meter,
                    name.clone(),
                    is_subjects.then_some(ONLY),
                ))
            }
        }
    }

    fn read(&self, picture: &Picture) -> Result<f64> {
        match self {
            Self::Quantity(quantity, clip) => quantity.measure(picture, clip.as_deref()),
            Self::Meter(meter, attribute, place) => {
                let read = meter.read(&picture_tensor(&[picture])?, attribute, *place)?;
                read.first().copied().ok_or_else(|| {
                    EngineError::request(format!("attribute \"{attribute}\""), "was not read")
                })
            }
        }
    }
}
