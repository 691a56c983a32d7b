//! What is done for a job.

use std::time::Instant;

use super::Job;
use super::inbox::Inbox;
use super::model::{model_folder, ready};
use crate::Result;
use crate::device::{self, Dtype};
use crate::recipe::Recipe;
use crate::render::{LatentWatch, Latents, Renderer};
use crate::service::measure::Bench;
use crate::service::pace::Pace;
use crate::service::{Event, MeasureRequest, RenderOptions};

pub(super) fn render(
    job: &Job,
    recipes: &[Recipe],
    loaded: &mut Option<Renderer>,
    inbox: &mut Inbox,
) -> Result<()> {
    let id = job.id;
    let pictures = recipes.len();
    inbox.tell(Event::Started { job: id, pictures });
    let resolved = recipes.iter().map(|r| job.options.wildcards.resolved(r));
    let recipes: Vec<Recipe> = resolved.collect::<Result<_>>()?;
    // All of a batch is checked before any of it takes time.
    for recipe in &recipes {
        recipe.validate()?;
        job.options.pictures.resolve(&mut recipe.clone())?;
    }
    let device = device::choose(job.options.device)?;
    for recipe in &recipes {
        recipe.dtype.parse::<Dtype>()?.check_on(device.device)?;
    }
    let mut pace = Pace::start(Instant::now());
    for (index, recipe) in recipes.iter().enumerate() {
        inbox.check_cancelled()?;
        let renderer = ready(job, recipe, &device, loaded, inbox)?;
        equip(renderer, &job.options);
        inbox.check_cancelled()?;
        let started = Instant::now();
        pace.resume(started);
        if let Some(coarse) = recipe.coarse().filter(|_| job.options.coarse_first) {
            let quick = renderer.render(&coarse, &mut |_| inbox.flow())?;
            inbox.tell(Event::Preview {
                job: id,
                index,
                picture: quick.picture,
                steps: coarse.steps,
            });
            pace.resume(Instant::now());
        }
        renderer.set_watch(watch(job, index, renderer, inbox));
        let mut on_step = |ahead| inbox.tell_progress(id, (index, pictures), ahead, &mut pace);
        let rendered = renderer.render(recipe, &mut on_step);
        renderer.set_watch(None);
        let rendered = rendered?;
        pace.decoded(Instant::now());
        for message in rendered.notes {
            inbox.tell(Event::Note { job: id, message });
        }
        let latents = if job.options.want_latents {
            Some(Latents::from_tensor(&rendered.latents)?)
        } else {
            None
        };
        inbox.tell(Event::Picture {
            job: id,
            index,
            picture: rendered.picture,
            recipe: Box::new(rendered.recipe),
            latents,
            edit: rendered.edit.map(Box::new),
            secs: started.elapsed().as_secs_f64(),
        });
    }
    Ok(())
}

/// Tells the latents of picture `picture` on their way, where the job wants to see them.
fn watch(job: &Job, picture: usize, renderer: &Renderer, inbox: &Inbox) -> Option<LatentWatch> {
    let every = job.options.preview_every?;
    let rgb = renderer.latent_rgb()?.clone();
    let pixels_per_cell = renderer.pixels_per_cell();
    let (job, events) = (job.id, inbox.events.clone());
    let tell = move |step, latents| {
        // Whether anybody listens is seen where progress is told.
        let _ = events.send(Event::Latents {
            job,
            picture,
            step,
            latents,
            rgb: rgb.clone(),
            pixels_per_cell,
        });
    };
    Some(LatentWatch::new(every, Box::new(tell)))
}

pub(super) fn measure(
    job: &Job,
    request: &MeasureRequest,
    loaded: &mut Option<Renderer>,
    inbox: &mut Inbox,
) -> Result<()> {
    let id = job.id;
    inbox.tell(Event::Started {
        job: id,
        pictures: 0,
    });
    request.base.validate()?;
    let device = device::choose(job.options.device)?;
    let dtype: Dtype = request.base.dtype.parse()?;
    dtype.check_on(device.device)?;
    let folder = model_folder(&request.base.model, &job.options.embedded_model)?;
    let renderer = ready(job, &request.base, &device, loaded, inbox)?;
    equip(renderer, &job.options);
    let mut bench = Bench::new(id, renderer, inbox);
    let measured = request.run(&folder, &job.options, &mut bench)?;
    inbox.tell(Event::Measured { job: id, measured });
    Ok(())
}

/// Tells `renderer` where everything lies that recipes name, and what reads pictures.
fn equip(renderer: &mut Renderer, options: &RenderOptions) {
    renderer.set_library(options.controls.clone());
    renderer.set_adapters(options.adapters.clone());
    renderer.set_upscalers(options.upscalers.clone());
    renderer.set_controlnets(options.controlnets.clone());
    renderer.set_meter_options(options.meter.clone());
    renderer.set_pictures(options.pictures.clone());
}
