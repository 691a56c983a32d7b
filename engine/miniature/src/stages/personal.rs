//! Measures personalizations of a subject side by side.

use vernier_engine::device::Dtype;
use vernier_engine::measure::AttributeMeter;
use vernier_engine::picture::Picture;
use vernier_engine::render::Renderer;
use vernier_engine::{EngineError, Result};

use super::Session;
use super::console::{progress, say};
use super::folder::named_subject;
use crate::cli::MeasureSubject;
use crate::evaluate::{Personal, SubjectMeter, change, held_out_prompt};
use crate::sheet::{Extras, Sampling};
use crate::subject::NamedSubject;
use crate::workplace::made_by;

impl Session {
    pub(super) fn measure_subject(&self, options: &MeasureSubject) -> Result<()> {
        let subject = named_subject(&options.who)?;
        made_by("unet", self.place.model_index())?;
        let folder = self.place.meter();
        made_by("meter", folder.join("meter.safetensors"))?;
        let meter = AttributeMeter::open(&folder, self.device)?;
        let bench = Bench {
            session: self,
            meter: SubjectMeter::new(meter, self.device),
            subject,
            options,
        };
        let mut renderer = Renderer::load(self.place.out(), Dtype::F32, self.device)?;
        let others = bench.others(&mut renderer, &Extras::default())?;
        say("| with | likeness | place | class's likeness | drift |");
        say("|---|---|---|---|---|");
        for (name, extras) in rows(options) {
            let row = bench.row(&mut renderer, &extras, &others)?;
            say(&row.row(&name));
        }
        Ok(())
    }
}

/// What is measured, by name: the model alone first.
fn rows(options: &MeasureSubject) -> Vec<(String, Extras)> {
    let mut rows = vec![("the model alone".to_owned(), Extras::default())];
    for lora in &options.lora {
        let shares = std::iter::once(None).chain(options.steering.iter().copied().map(Some));
        for steering in shares {
            let name = match steering {
                Some(share) => format!("{} at {}, steering {share}", lora.name, lora.unet_weight),
                None => format!("{} at {}", lora.name, lora.unet_weight),
            };
            let extras = Extras {
                adapters: vec![lora.clone()],
                steering,
                ..Extras::default()
            };
            rows.push((name, extras));
        }
    }
    for word in &options.embedding {
        let extras = Extras {
            embeddings: vec![word.clone()],
            ..Extras::default()
        };
        rows.push((format!("the word {}", word.name), extras));
    }
    rows
}

struct Bench<'a> {
    session: &'a Session,
    meter: SubjectMeter,
    subject: NamedSubject,
    options: &'a MeasureSubject,
}

impl Bench<'_> {
    fn render(
        &self,
        renderer: &mut Renderer,
        prompt: &str,
        seed: u64,
        extras: &Extras,
    ) -> Result<Picture> {
        let sampling = Sampling {
            steps: self.options.steps,
            guidance: self.options.guidance,
        };
        let stop = || self.session.stopped();
        sampling.render_with(renderer, prompt, seed, extras, stop)
    }

    /// Pictures that name neither the subject nor, but by chance, its class.
    fn others(&self, renderer: &mut Renderer, extras: &Extras) -> Result<Vec<Picture>> {
        (0..self.options.count)
            .map(|at| {
                let (_, caption) = held_out_prompt(2 * at);
                self.render(renderer, &caption.text, at, extras)
            })
            .collect()
    }

    fn row(
        &self,
        renderer: &mut Renderer,
        extras: &Extras,
        others: &[Picture],
    ) -> Result<Personal> {
        let count = self.options.count;
        let bar = progress(count, "pictures");
        let (mut likeness, mut place, mut of_class) = (0.0, 0.0, 0.0);
        for at in 0..count {
            let (scene, caption) = self.subject.scene(at);
            let picture = self.render(renderer, &caption, at, extras)?;
            likeness += self.meter.likeness(&scene, &picture)?;
            place += f64::from(u8::from(self.meter.shows(scene.background, &picture)?));
            let class = caption.replace(&self.subject.name(), self.subject.kind.noun());
            let picture = self.render(renderer, &class, at, extras)?;
            of_class += self.meter.likeness(&scene, &picture)?;
            bar.inc(1);
            if self.session.stopped() {
                return Err(EngineError::Cancelled);
            }
        }
        bar.finish_and_clear();
        let now = self.others(renderer, extras)?;
        let pairs = now.iter().zip(others);
        let drift: f64 = pairs.map(|(now, then)| change(now, then)).sum();
        let count = count as f64;
        Ok(Personal {
            likeness: likeness / count,
            place: place / count,
            class_likeness: of_class / count,
            drift: drift / count,
        })
    }
}
