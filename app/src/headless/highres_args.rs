//! Options of `vernier render` for a second, larger pass.

use clap::Args;
use vernier_engine::recipe::{Highres, Recipe, UpscalerUse};

use crate::failure::Failure;

/// What is asked of the second pass.
#[derive(Debug, Args)]
#[command(next_help_heading = "Larger pictures")]
pub(super) struct HighresArgs {
    /// Enlarge the picture so many times and go on from there ("highres fix"); 1 for no second
    /// pass
    #[arg(long, value_name = "FACTOR")]
    highres: Option<f64>,
    /// How far the second pass may go, above 0 and up to 1 [default: 0.5]
    #[arg(long, value_name = "X")]
    highres_strength: Option<f64>,
    /// Steps of the second pass, of which the strength says how many are walked [default: as many
    /// as the first]
    #[arg(long, value_name = "N")]
    highres_steps: Option<u32>,
    /// Network that enlarges the picture, a file or its name in Vernier's data folder [default:
    /// interpolation]
    #[arg(long, value_name = "FILE")]
    highres_upscaler: Option<String>,
}

impl HighresArgs {
    /// Changes `recipe` to what the options say.
    pub(super) fn change(&self, recipe: &mut Recipe) -> Result<(), Failure> {
        match self.highres {
            Some(1.0) => recipe.highres = None,
            Some(factor) => recipe.highres.get_or_insert_default().factor = factor,
            None => {}
        }
        let more = self.highres_strength.is_some()
            || self.highres_steps.is_some()
            || self.highres_upscaler.is_some();
        let Some(highres) = recipe.highres.as_mut() else {
            return if more {
                let problem = "there is no second pass; say how large with --highres FACTOR";
                Err(Failure::Usage(problem.to_owned()))
            } else {
                Ok(())
            };
        };
        self.refine(highres);
        Ok(())
    }

    fn refine(&self, highres: &mut Highres) {
        if let Some(strength) = self.highres_strength {
            highres.strength = strength;
        }
        if self.highres_steps.is_some() {
            highres.steps = self.highres_steps;
        }
        if let Some(name) = &self.highres_upscaler {
            highres.upscaler = Some(UpscalerUse::new(name));
        }
    }
}
