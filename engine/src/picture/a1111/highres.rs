//! The web UI's "hires fix": a second, larger pass.

use super::{STRENGTH, set_to};
use crate::recipe::{Highres, Recipe, UpscalerUse};

const HIGHRES_FACTOR: &str = "Hires upscale";
const HIGHRES_STEPS: &str = "Hires steps";
const HIGHRES_UPSCALER: &str = "Hires upscaler";

/// The web UI's fields for a second, larger pass.
pub(super) fn fields(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let Some(highres) = &recipe.highres else {
        return Vec::new();
    };
    let name = |upscaler: &UpscalerUse| upscaler.name.clone();
    vec![
        (STRENGTH, highres.strength.to_string()),
        (HIGHRES_FACTOR, highres.factor.to_string()),
        (
            HIGHRES_STEPS,
            highres.walked_steps(recipe.steps).to_string(),
        ),
        (
            HIGHRES_UPSCALER,
            highres.upscaler.as_ref().map_or("Lanczos".to_owned(), name),
        ),
    ]
}

/// Hands the value of a field to whoever sets it, and notes where they could not.
type Take<'a> = dyn FnMut(&str, &mut dyn FnMut(&str) -> bool) + 'a;

/// Takes the web UI's fields for a second, larger pass to `recipe`.
pub(super) fn take_over(recipe: &mut Recipe, take: &mut Take<'_>) {
    let mut highres = None;
    take(HIGHRES_FACTOR, &mut |value| {
        let factor = value.parse().ok();
        highres = factor.map(|factor| Highres {
            factor,
            ..Highres::new()
        });
        highres.is_some()
    });
    take("Hires resize", &mut |_| false);
    take(STRENGTH, &mut |value| {
        let strength = highres.as_mut().map(|highres| &mut highres.strength);
        strength.is_some_and(|strength| set_to(strength, value))
    });
    if let Some(highres) = &mut highres {
        // Theirs are walked whole, and are as many as those of the first pass where none are said.
        let mut walked = recipe.steps;
        take(HIGHRES_STEPS, &mut |value| {
            let said = value.parse().ok();
            walked = said.filter(|&steps| steps > 0).unwrap_or(walked);
            said.is_some()
        });
        highres.steps = Some((f64::from(walked) / highres.strength).ceil() as u32);
        take(HIGHRES_UPSCALER, &mut |name| {
            let is_latent = name.starts_with("Latent");
            if !is_latent && !matches!(name, "Lanczos" | "None" | "Nearest") {
                highres.upscaler = Some(UpscalerUse::new(name));
            }
            !is_latent
        });
    }
    recipe.highres = highres;
}
