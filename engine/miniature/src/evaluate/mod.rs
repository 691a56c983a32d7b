//! Measures the miniature on held-out scenes: what the prompt asks for against what the meter
//! reads in the picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::device::Dtype;
use vernier_engine::measure::{AttributeMeter, Reading};
use vernier_engine::picture::Picture;
use vernier_engine::recipe::{ModelRef, RECIPE_VERSION, Recipe};
use vernier_engine::render::{Flow, Renderer};
use vernier_world::{
    Attribute, Caption, CaptionOptions, Discrete, SampleOptions, Scene, Value, caption,
};

use crate::config::PICTURE_PX;
use crate::pool::{held_out_scene, normalise, pixels_of};

/// Settings of an evaluation.
#[derive(Args, Debug, Clone)]
pub struct Options {
    /// Prompts; half with one subject, half with two.
    #[arg(long, default_value_t = 500)]
    pub prompts: u64,
    /// Sampling steps.
    #[arg(long, default_value_t = 20)]
    pub steps: u32,
    /// Guidance scale.
    #[arg(long, default_value_t = 3.0)]
    pub guidance: f64,
    /// Also writes the pictures here, as one sheet.
    #[arg(long)]
    pub sheet: Option<PathBuf>,
    /// Reads the world's own pictures instead of rendered ones: the meter's own ceiling.
    #[arg(long)]
    pub truth: bool,
}

/// `count` pictures that training never saw, `[count, 3, 128, 128]` in -1..1.
///
/// # Errors
/// libtorch runs out of memory.
pub fn held_out_pictures(count: u64) -> Result<Tensor> {
    let pixels = (0..count)
        .map(|i| pixels_of(&held_out_scene(i, &SampleOptions::default())))
        .collect::<Result<Vec<_>>>()?;
    normalise(&Tensor::f_stack(&pixels, 0)?)
}

/// Counts of right answers and sums of errors.
#[derive(Debug, Default, Clone)]
pub struct Scores {
    single_kind: Tally,
    both_kinds: Tally,
    single_discrete: Tally,
    wrong_binding: Tally,
    discrete: BTreeMap<&'static str, Tally>,
    continuous: BTreeMap<&'static str, Vec<(f64, f64)>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    hits: u32,
    of: u32,
}

impl Tally {
    fn add(&mut self, hit: bool) {
        self.hits += u32::from(hit);
        self.of += 1;
    }

    fn show(self) -> String {
        if self.of == 0 {
            return "–".to_owned();
        }
        format!("{:.1} % of {}", 100.0 * f64::from(self.hits) / f64::from(self.of), self.of)
    }
}

impl Scores {
    /// Adds one picture `[1, 3, 128, 128]` in -1..1 that was asked for by `caption`.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn add(&mut self, meter: &AttributeMeter, scene: &Scene, caption: &Caption, picture: &Tensor) -> Result<()> {
        let regions = &meter.config().regions[scene.subjects.len() - 1];
        let mut seen = Vec::with_capacity(regions.len());
        for &region in regions {
            seen.extend(meter.read_subject(picture, region)?);
        }
        let overall = meter.read_picture(picture)?.remove(0);
        let kind = Attribute::Discrete(Discrete::Kind);
        let kinds_right: Vec<bool> = (0..seen.len())
            .map(|s| class_of(&seen[s], kind) == scene.discrete(Some(s), Discrete::Kind))
            .collect();
        if let [right] = kinds_right[..] {
            self.single_kind.add(right);
        } else {
            self.both_kinds.add(kinds_right.iter().all(|&r| r));
        }
        for named in &caption.named {
            let reading = named.subject.map_or(&overall, |s| &seen[s]);
            match named.value {
                Value::Continuous(asked) => {
                    if let Some(Reading::Value(read)) = reading.get(named.attribute.name()) {
                        let pairs = self.continuous.entry(named.attribute.name()).or_default();
                        pairs.push((f64::from(asked), *read));
                    }
                }
                Value::Discrete(asked) => {
                    let right = class_of(reading, named.attribute) == Some(asked);
                    self.discrete.entry(named.attribute.name()).or_default().add(right);
                    if seen.len() == 1 {
                        self.single_discrete.add(right);
                    }
                }
            }
        }
        self.add_bindings(scene, caption, &seen);
        Ok(())
    }

    /// An adjective is bound wrongly where a subject shows the other one's value instead of its own.
    fn add_bindings(&mut self, scene: &Scene, caption: &Caption, seen: &[BTreeMap<String, Reading>]) {
        if seen.len() != 2 {
            return;
        }
        for named in &caption.named {
            let (Some(subject), Value::Discrete(asked)) = (named.subject, named.value) else { continue };
            let Attribute::Discrete(attribute) = named.attribute else { continue };
            let Some(other) = scene.discrete(Some(1 - subject), attribute) else { continue };
            if attribute == Discrete::Kind || other == asked {
                continue;
            }
            self.wrong_binding.add(class_of(&seen[subject], named.attribute) == Some(other));
        }
    }

    /// The figures in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("| figure | measured |\n|---|---|\n");
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {value} |");
        };
        line("right subject (one subject)", self.single_kind.show());
        line("both subjects right (two)", self.both_kinds.show());
        line("discrete attributes right (one subject)", self.single_discrete.show());
        line("adjective bound to the wrong subject (two)", self.wrong_binding.show());
        for (name, tally) in &self.discrete {
            line(name, tally.show());
        }
        for (name, pairs) in &self.continuous {
            let error = pairs.iter().map(|(a, b)| (a - b).abs()).sum::<f64>() / pairs.len() as f64;
            line(name, format!("mean error {error:.3}, Spearman {:.3}, of {}", spearman(pairs), pairs.len()));
        }
        text
    }
}

fn class_of(reading: &BTreeMap<String, Reading>, attribute: Attribute) -> Option<usize> {
    match reading.get(attribute.name()) {
        Some(Reading::Class { index, .. }) => Some(*index),
        _ => None,
    }
}

/// Rank correlation of pairs; ties share their mean rank.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let ranks = |values: Vec<f64>| -> Vec<f64> {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut ranks = vec![0.0; values.len()];
        let mut at = 0;
        while at < order.len() {
            let mut end = at;
            while end + 1 < order.len() && values[order[end + 1]] == values[order[at]] {
                end += 1;
            }
            for &i in &order[at..=end] {
                ranks[i] = (at + end) as f64 / 2.0;
            }
            at = end + 1;
        }
        ranks
    };
    let a = ranks(pairs.iter().map(|p| p.0).collect());
    let b = ranks(pairs.iter().map(|p| p.1).collect());
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let (mut top, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        top += (x - mean) * (y - mean);
        left += (x - mean).powi(2);
        right += (y - mean).powi(2);
    }
    if left * right > 0.0 { top / (left * right).sqrt() } else { 0.0 }
}

/// The scene and caption of held-out prompt `index`; even ones have one subject, odd ones two.
pub fn held_out_prompt(index: u64) -> (Scene, Caption) {
    let two_subjects = if index % 2 == 1 { 1.0 } else { 0.0 };
    let scene = held_out_scene(1 << 20 | index, &SampleOptions { two_subjects, ..SampleOptions::default() });
    let mut rng = ChaCha8Rng::seed_from_u64(index);
    // Prompts as people write them: a few attributes, not all.
    let options = CaptionOptions { completeness: 0.6, ..CaptionOptions::default() };
    let caption = caption(&scene, &mut rng, &options);
    (scene, caption)
}

/// Renders (or draws) every held-out prompt, reads the pictures and prints the table.
///
/// # Errors
/// The model cannot be loaded or a picture cannot be rendered.
pub fn run(model: &Path, options: &Options, device: Device) -> Result<()> {
    let meter = AttributeMeter::open(&model.join("meter"), device)?;
    let mut renderer = if options.truth { None } else { Some(Renderer::load(model, Dtype::F32, device)?) };
    let mut scores = Scores::default();
    let mut pictures = Vec::new();
    for index in 0..options.prompts {
        let (scene, caption) = held_out_prompt(index);
        let pixels = match &mut renderer {
            None => pixels_of(&scene)?,
            Some(renderer) => pixels(&render(renderer, &caption.text, index, options)?)?,
        };
        let picture = normalise(&pixels.f_unsqueeze(0)?)?.f_to_device(device)?;
        scores.add(&meter, &scene, &caption, &picture)?;
        if options.sheet.is_some() {
            pictures.push(pixels);
        }
        if (index + 1) % 50 == 0 {
            eprintln!("{} of {} prompts", index + 1, options.prompts);
        }
    }
    println!("{}", scores.markdown());
    if let Some(path) = &options.sheet {
        write_sheet(path, &pictures, 6)?;
    }
    Ok(())
}

/// How well the meter reads the world's own held-out pictures.
///
/// # Errors
/// The meter cannot be loaded.
pub fn meter_on_truth(meter: &Path, count: u64, device: Device) -> Result<()> {
    let meter = AttributeMeter::open(meter, device)?;
    let mut scores = Scores::default();
    for index in 0..count {
        let (scene, _) = held_out_prompt(index);
        let all = scene.applicable();
        let caption = vernier_world::caption_of(&scene, &all, 0);
        let picture = normalise(&pixels_of(&scene)?.f_unsqueeze(0)?)?.f_to_device(device)?;
        scores.add(&meter, &scene, &caption, &picture)?;
    }
    println!("{}", scores.markdown());
    Ok(())
}

fn render(renderer: &mut Renderer, prompt: &str, seed: u64, options: &Options) -> Result<Picture> {
    let recipe = Recipe {
        version: RECIPE_VERSION,
        model: ModelRef::embedded(),
        prompt: prompt.to_owned(),
        negative_prompt: String::new(),
        seed,
        width_px: PICTURE_PX as u32,
        height_px: PICTURE_PX as u32,
        steps: options.steps,
        guidance_scale: options.guidance,
        sampler: "ddim".to_owned(),
        dtype: "f32".to_owned(),
        unknown: serde_json::Map::new(),
    };
    Ok(renderer.render(&recipe, &mut |_| Flow::Continue)?.picture)
}

/// u8 `[height, width, 3]`.
fn pixels(picture: &Picture) -> Result<Tensor> {
    let shape = [i64::from(picture.height_px), i64::from(picture.width_px), 3];
    Ok(Tensor::f_from_data_size(&picture.rgb, &shape, Kind::Uint8)?)
}

/// Pictures `[height, width, 3]` side by side, `columns` to a row.
fn write_sheet(path: &Path, pictures: &[Tensor], columns: usize) -> Result<()> {
    let side = PICTURE_PX as u32;
    let rows = pictures.len().div_ceil(columns) as u32;
    let mut sheet = image::RgbImage::new(columns as u32 * side, rows * side);
    for (at, picture) in pictures.iter().enumerate() {
        let bytes: Vec<u8> = Vec::try_from(picture.f_flatten(0, -1)?)?;
        let tile = image::RgbImage::from_raw(side, side, bytes).context("a picture of another size")?;
        let (x, y) = ((at % columns) as u32 * side, (at / columns) as u32 * side);
        image::imageops::replace(&mut sheet, &tile, i64::from(x), i64::from(y));
    }
    sheet.save(path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::spearman;

    #[test]
    fn ranks_correlate() {
        let rising: Vec<(f64, f64)> = (0..9).map(|i| (f64::from(i), f64::from(i * i))).collect();
        assert!((spearman(&rising) - 1.0).abs() < 1e-12);
        let falling: Vec<(f64, f64)> = rising.iter().map(|&(a, b)| (a, -b)).collect();
        assert!((spearman(&falling) + 1.0).abs() < 1e-12);
    }
}
