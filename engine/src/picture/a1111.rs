//! The text that AUTOMATIC1111's web UI writes under the keyword `parameters`.
//!
//! ```text
//! the prompt, over as many lines as it has
//! Negative prompt: what to avoid
//! Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model hash: …, Model: …
//! ```
//! Values that hold a comma, a colon or a line end are written as JSON strings.

mod highres;

use std::fmt::Write as _;

use crate::prompt::PromptSyntax;
use crate::recipe::{AdapterUse, Recipe, TextOptions, WalkOptions};
use crate::sampling::{Convention, SamplerName, ScheduleName};

/// What the web UI calls a last timestep of pure noise.
const ZERO_SNR: &str = "Zero Terminal SNR";

/// Its name for the text encoder's layer, counted from the last one.
const CLIP_SKIP: &str = "Clip skip";

/// Its field for how far a picture may go from what it starts from.
const STRENGTH: &str = "Denoising strength";

/// Its field for what weights do, where they do something else than usual.
const EMPHASIS: &str = "Emphasis";

/// What a `parameters` text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// The prompt.
    pub prompt: String,
    /// The negative prompt; empty where the text has none.
    pub negative_prompt: String,
    /// `(name, value)` of the last line, in its order.
    pub fields: Vec<(String, String)>,
}

impl Parameters {
    /// What other programs should read about `recipe`.
    pub fn of(recipe: &Recipe) -> Self {
        let (sampler, schedule) = sampler_label(&recipe.sampler, &recipe.walk.schedule);
        let mut fields = vec![("Steps", recipe.steps.to_string()), ("Sampler", sampler)];
        if let Some(schedule) = schedule {
            fields.push(("Schedule type", schedule.to_owned()));
        }
        fields.extend([
            ("CFG scale", recipe.guidance_scale.to_string()),
            ("Seed", recipe.seed.to_string()),
            ("Size", format!("{}x{}", recipe.width_px, recipe.height_px)),
        ]);
        if !recipe.model.hash.is_empty() {
            let short: String = recipe.model.hash.chars().take(10).collect();
            fields.push(("Model hash", short));
        }
        fields.push(("Model", recipe.model.name.clone()));
        if let Some(source) = &recipe.source {
            fields.push((STRENGTH, source.strength.to_string()));
        }
        fields.extend(highres::fields(recipe));
        if let Some(skip) = recipe.text.clip_skip {
            fields.push((CLIP_SKIP, skip.to_string()));
        }
        let has_brackets = recipe.prompt.contains(['(', '[']);
        if has_brackets && recipe.text.prompt_syntax == PromptSyntax::Plain {
            fields.push((EMPHASIS, "None".to_owned()));
        }
        if recipe.walk.zero_terminal_snr {
            fields.push(("Noise Schedule", ZERO_SNR.to_owned()));
        }
        // The other programs' default is drawing noise on the graphics card; ours never does.
        fields.push(("RNG", "CPU".to_owned()));
        let mask = recipe.source.as_ref().and_then(|s| s.mask.as_ref());
        if let Some(mask) = mask.filter(|mask| mask.feather_px > 0.0) {
            // Theirs is the standard deviation of the blur, half of the feather.
            fields.push(("Mask blur", (mask.feather_px / 2.0).to_string()));
        }
        fields.push(("Version", format!("vernier {}", env!("CARGO_PKG_VERSION"))));
        Self {
            prompt: recipe.prompt.clone() + &tags(&recipe.adapters),
            negative_prompt: recipe.negative_prompt.clone(),
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// Whether Vernier wrote it.
    fn is_ours(&self) -> bool {
        let version = self.field("Version");
        version.is_some_and(|version| version.starts_with("vernier "))
    }

    /// The value of the field `name`.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    /// The text as it goes into the file.
    pub fn to_text(&self) -> String {
        let mut text = self.prompt.clone();
        if !self.negative_prompt.is_empty() {
            let _ = write!(text, "\nNegative prompt: {}", self.negative_prompt);
        }
        let fields: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", quoted(value)))
            .collect();
        text + "\n" + &fields.join(", ")
    }

    /// Reads a text of any program that follows the convention.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (head, last) = text.rsplit_once('\n').unwrap_or(("", text));
        let mut fields = parse_fields(last);
        // The web UI's own rule: fewer than three fields means that the line is prompt.
        let head = if fields.len() < 3 {
            fields.clear();
            text
        } else {
            head
        };
        let mut prompt = Vec::new();
        let mut negative: Option<Vec<&str>> = None;
        for line in head.lines() {
            if let Some(rest) = line.strip_prefix("Negative prompt:") {
                negative.get_or_insert_default().push(rest.trim());
            } else if let Some(lines) = &mut negative {
                lines.push(line);
            } else {
                prompt.push(line);
            }
        }
        Self {
            prompt: prompt.join("\n").trim().to_owned(),
            negative_prompt: negative.unwrap_or_default().join("\n").trim().to_owned(),
            fields,
        }
    }
}

impl Parameters {
    /// `base` with everything that the text says in its place, and a sentence for each field that
    /// cannot be taken over. The model stays that of `base`; the picture that another program
    /// started from is in no text.
    pub fn over(&self, base: &Recipe) -> (Recipe, Vec<String>) {
        let mut recipe = base.clone();
        let mut notes = Vec::new();
        recipe.prompt.clone_from(&self.prompt);
        recipe.negative_prompt.clone_from(&self.negative_prompt);
        recipe.controls.clear();
        recipe.source = None;
        recipe.regions.clear();
        recipe.walk = WalkOptions::default();
        recipe.text = TextOptions::A1111;
        if self.field(EMPHASIS) == Some("None") {
            recipe.text.prompt_syntax = PromptSyntax::Plain;
        }
        recipe.adapters.clear();
        match recipe.with_tags_as_adapters() {
            Ok(lifted) => recipe = lifted,
            Err(error) => notes.push(error.to_string()),
        }
        let mut take = |name: &str, set: &mut dyn FnMut(&str) -> bool| {
            if let Some(value) = self.field(name).filter(|value| !set(value)) {
                notes.push(format!("{name}: \"{value}\" cannot be taken over"));
            }
        };
        take("Steps", &mut |value| set_to(&mut recipe.steps, value));
        highres::take_over(&mut recipe, &mut take);
        take("CFG scale", &mut |value| {
            set_to(&mut recipe.guidance_scale, value)
        });
        take("Seed", &mut |value| set_to(&mut recipe.seed, value));
        take("Size", &mut |value| {
            let sides = value.split_once('x');
            sides.is_some_and(|(width, height)| {
                set_to(&mut recipe.width_px, width) && set_to(&mut recipe.height_px, height)
            })
        });
        take(CLIP_SKIP, &mut |value| {
            let skip = value.parse().ok();
            recipe.text.clip_skip = skip;
            skip.is_some()
        });
        take(EMPHASIS, &mut |value| matches!(value, "None" | "Original"));
        take("Noise Schedule", &mut |value| {
            recipe.walk.zero_terminal_snr = value == ZERO_SNR;
            matches!(value, ZERO_SNR | "Default")
        });
        let schedule = self.field("Schedule type");
        let is_ours = self.is_ours();
        let mut is_unknown = false;
        take("Sampler", &mut |value| {
            let found = sampler_called(value, schedule, !is_ours);
            found.is_some_and(|(name, schedule)| {
                name.name().clone_into(&mut recipe.sampler);
                is_unknown = schedule.is_none();
                let schedule = schedule.unwrap_or_default();
                schedule.name().clone_into(&mut recipe.walk.schedule);
                if !is_ours && !name.is_of_diffusers_alone() {
                    let convention = Convention::KDiffusion.name();
                    convention.clone_into(&mut recipe.walk.convention);
                }
                true
            })
        });
        take("Schedule type", &mut |_| !is_unknown);
        let model = self.field("Model");
        notes.extend(model.and_then(|name| stays(name, base)));
        (recipe, notes)
    }
}

/// A sentence where a picture of the model `name` will be made by the model of `base`.
pub(super) fn stays(name: &str, base: &Recipe) -> Option<String> {
    let here = &base.model.name;
    (name != here).then(|| format!("it was made with the model {name}; {here} stays"))
}

/// What the web UI's users write behind a prompt for `adapters`.
fn tags(adapters: &[AdapterUse]) -> String {
    let mut tags = String::new();
    for adapter in adapters.iter().filter(|adapter| !adapter.is_idle()) {
        let (text, unet) = (adapter.text_weight, adapter.unet_weight);
        let unet = if text.to_bits() == unet.to_bits() {
            String::new()
        } else {
            format!(":{unet}")
        };
        let _ = write!(tags, " <lora:{}:{text}{unet}>", adapter.name);
    }
    tags
}

fn set_to<T: std::str::FromStr>(field: &mut T, text: &str) -> bool {
    let read = text.trim().parse().ok();
    read.map(|value| *field = value).is_some()
}

/// The sampler and schedule that the web UI calls `label`, with the schedule apart or, as before
/// version 1.9, behind it; no schedule where there is none like it here. `has_favourites` says
/// whether an automatic schedule is the one that the web UI prefers for the sampler.
fn sampler_called(
    label: &str,
    schedule: Option<&str>,
    has_favourites: bool,
) -> Option<(SamplerName, Option<ScheduleName>)> {
    let curves = [ScheduleName::Karras, ScheduleName::Exponential];
    let behind = curves.into_iter().find_map(|curve| {
        let base = label.strip_suffix(curve.a1111_label()?)?;
        Some((base.trim_end(), curve))
    });
    let (base, behind) = match behind {
        Some((base, curve)) => (base, Some(curve)),
        None => (label, None),
    };
    let mut known = SamplerName::ALL.into_iter();
    let name = known.find(|name| base_label(*name) == base)?;
    let schedule = match (behind, schedule) {
        (Some(curve), _) => Some(curve),
        (None, Some("Automatic")) if has_favourites => Some(favourite(name)),
        (None, None | Some("Automatic")) => Some(ScheduleName::Model),
        (None, Some(label)) => {
            let mut all = ScheduleName::ALL.into_iter();
            all.find(|schedule| a1111_schedule(*schedule) == Some(label))
        }
    };
    Some(match (name, schedule) {
        (SamplerName::Dpmpp2m, Some(ScheduleName::Karras)) => {
            (SamplerName::Dpmpp2mKarras, Some(ScheduleName::Model))
        }
        other => other,
    })
}

/// What the web UI takes for "Automatic".
fn favourite(name: SamplerName) -> ScheduleName {
    match name {
        SamplerName::Dpmpp2m | SamplerName::DpmppSde | SamplerName::Kdpm2 | SamplerName::Kdpm2A => {
            ScheduleName::Karras
        }
        SamplerName::Dpmpp2mSde => ScheduleName::Exponential,
        _ => ScheduleName::Model,
    }
}

/// The name of a schedule behind "Schedule type:"; ours where the web UI has none like it.
fn a1111_schedule(schedule: ScheduleName) -> Option<&'static str> {
    match schedule {
        ScheduleName::Model => None,
        other => Some(other.a1111_label().unwrap_or_else(|| other.name())),
    }
}

/// The web UI's name of a sampler without its schedule.
fn base_label(name: SamplerName) -> &'static str {
    match name {
        // The web UI knows only the linear multistep half of PNDM, under the latent diffusion name.
        SamplerName::Pndm => "PLMS",
        name => name.label(),
    }
}

/// The web UI's name of a sampler, and of its schedule, which it keeps apart since version 1.9.
fn sampler_label(sampler: &str, schedule: &str) -> (String, Option<&'static str>) {
    let schedule = schedule.parse().ok().and_then(a1111_schedule);
    let Ok(name) = sampler.parse::<SamplerName>() else {
        return (sampler.to_owned(), schedule);
    };
    let label = base_label(name);
    match label.strip_suffix(" Karras") {
        Some(base) => (base.to_owned(), Some("Karras")),
        None => (label.to_owned(), schedule),
    }
}

fn quoted(value: &str) -> String {
    if value.contains([',', ':', '\n']) {
        serde_json::Value::from(value).to_string()
    } else {
        value.to_owned()
    }
}

/// Reads `Name: value, Name: "quoted, value"`; a part without a colon ends the reading.
fn parse_fields(line: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = line.trim_start();
    while let Some((name, after)) = rest.split_once(':') {
        let name = name.trim();
        let plausible = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || " -/_+".contains(c));
        if !plausible {
            break;
        }
        let after = after.trim_start();
        let (value, end) = quoted_value(after).unwrap_or_else(|| {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim().to_owned(), end)
        });
        fields.push((name.to_owned(), value));
        rest = after[end..].trim_start_matches([',', ' ']);
    }
    fields
}

/// A JSON string at the start of `text`, and how many bytes it takes.
fn quoted_value(text: &str) -> Option<(String, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = text.starts_with('"').then(|| values.next())??.ok()?;
    Some((value, values.byte_offset()))
}

#[cfg(test)]
mod tests;
