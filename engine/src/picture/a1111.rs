//! The text that AUTOMATIC1111's web UI writes under the keyword `parameters`.
//!
//! ```text
//! the prompt, over as many lines as it has
//! Negative prompt: what to avoid
//! Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model hash: …, Model: …
//! ```
//! Values that hold a comma, a colon or a line end are written as JSON strings.

use std::fmt::Write as _;

use crate::recipe::Recipe;
use crate::sampling::SamplerName;

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
        let (sampler, schedule) = sampler_label(&recipe.sampler);
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
            fields.push(("Denoising strength", source.strength.to_string()));
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
            prompt: recipe.prompt.clone(),
            negative_prompt: recipe.negative_prompt.clone(),
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
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
        let mut take = |name: &str, set: &mut dyn FnMut(&str) -> bool| {
            if let Some(value) = self.field(name).filter(|value| !set(value)) {
                notes.push(format!("{name}: \"{value}\" cannot be taken over"));
            }
        };
        take("Denoising strength", &mut |_| false);
        take("Steps", &mut |value| set_to(&mut recipe.steps, value));
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
        let schedule = self.field("Schedule type");
        take("Sampler", &mut |value| {
            let found = sampler_called(value, schedule);
            found.is_some_and(|name| {
                name.name().clone_into(&mut recipe.sampler);
                true
            })
        });
        (recipe, notes)
    }
}

fn set_to<T: std::str::FromStr>(field: &mut T, text: &str) -> bool {
    let read = text.trim().parse().ok();
    read.map(|value| *field = value).is_some()
}

/// The sampler that the web UI calls `label`, with its schedule apart or, as before version 1.9,
/// behind it.
fn sampler_called(label: &str, schedule: Option<&str>) -> Option<SamplerName> {
    let whole = match schedule {
        Some("Karras") if !label.ends_with(" Karras") => format!("{label} Karras"),
        _ => label.to_owned(),
    };
    let called = |name: &SamplerName| match sampler_label(name.name()) {
        (label, Some(schedule)) => format!("{label} {schedule}"),
        (label, None) => label,
    };
    let mut all = SamplerName::ALL.into_iter();
    all.find(|name| called(name) == whole || name.label() == whole)
}

/// The web UI's name of a sampler, and of its schedule, which it keeps apart since version 1.9.
fn sampler_label(name: &str) -> (String, Option<&'static str>) {
    let label = match name.parse::<SamplerName>() {
        // The web UI knows only the linear multistep half of PNDM, under the latent diffusion name.
        Ok(SamplerName::Pndm) => "PLMS",
        Ok(sampler) => sampler.label(),
        Err(_) => name,
    };
    match label.strip_suffix(" Karras") {
        Some(base) => (base.to_owned(), Some("Karras")),
        None => (label.to_owned(), None),
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
mod tests {
    use super::*;
    use crate::recipe::tests::sample;
    use crate::recipe::{MaskUse, PictureRef, Source};

    #[test]
    fn what_a_recipe_says_to_others_can_be_taken_back() {
        for sampler in SamplerName::ALL {
            let mut recipe = sample();
            sampler.name().clone_into(&mut recipe.sampler);
            let text = Parameters::of(&recipe).to_text();
            let mut base = sample();
            (base.seed, base.steps, base.guidance_scale) = (99, 3, 1.5);
            base.prompt.clear();
            let (read, notes) = Parameters::parse(&text).over(&base);
            assert_eq!((read, notes), (recipe, Vec::new()), "{sampler}");
        }
    }

    #[test]
    fn what_cannot_be_taken_over_is_named() {
        let text = "a cat\nSteps: many, Sampler: Restart, CFG scale: 7, Seed: 5";
        let (recipe, notes) = Parameters::parse(text).over(&sample());
        assert_eq!((recipe.prompt.as_str(), recipe.seed), ("a cat", 5));
        assert_eq!(recipe.sampler, sample().sampler);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[1].contains("Restart"));
    }

    #[test]
    fn the_text_is_what_other_programs_expect() {
        let mut recipe = sample();
        recipe.model.hash = "0123456789abcdef".to_owned();
        recipe.sampler = "dpmpp_2m_karras".to_owned();
        let expected = format!(
            "a black cat and a white dog in a room\nNegative prompt: blurry\nSteps: 20, Sampler: \
             DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 128x64, Model hash: \
             0123456789, Model: miniature, RNG: CPU, Version: vernier {}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(Parameters::of(&recipe).to_text(), expected);
    }

    #[test]
    fn how_far_a_picture_went_from_its_source_is_told() {
        let mut recipe = sample();
        let mut source = Source::new(PictureRef::default(), 0.6);
        let mut mask = MaskUse::new(PictureRef::default());
        mask.feather_px = 8.0;
        source.mask = Some(mask);
        recipe.source = Some(source);
        let parameters = Parameters::of(&recipe);
        assert_eq!(parameters.field("Denoising strength"), Some("0.6"));
        assert_eq!(parameters.field("Mask blur"), Some("4"));
        let (read, notes) = parameters.over(&recipe);
        assert_eq!(read.source, None);
        assert!(notes[0].contains("Denoising strength"), "{notes:?}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut recipe = sample();
        recipe.prompt = "two lines,\nof: prompt".to_owned();
        recipe.model.name = "odd, \"name\": here".to_owned();
        let parameters = Parameters::of(&recipe);
        assert_eq!(Parameters::parse(&parameters.to_text()), parameters);
        assert_eq!(parameters.field("Size"), Some("128x64"));
    }

    #[test]
    fn texts_of_other_programs_are_read() {
        let text = "masterpiece, (cat:1.2)\nNegative prompt: dog,\nugly\nSteps: 28, Sampler: \
                    Euler a, CFG scale: 7, Seed: 99, Size: 512x768, Lora hashes: \"a: 1, b: 2\", \
                    Version: v1.10.1";
        let read = Parameters::parse(text);
        assert_eq!(read.prompt, "masterpiece, (cat:1.2)");
        assert_eq!(read.negative_prompt, "dog,\nugly");
        assert_eq!(read.field("Lora hashes"), Some("a: 1, b: 2"));
        assert_eq!(read.field("Version"), Some("v1.10.1"));
    }

    #[test]
    fn a_bare_prompt_is_a_prompt() {
        let read = Parameters::parse("a cat: black, small");
        assert_eq!(read.prompt, "a cat: black, small");
        assert!(read.fields.is_empty());
        assert_eq!(Parameters::parse(""), Parameters::default());
    }
}
