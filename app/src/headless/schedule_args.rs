//! Options of `vernier render` for the sampler's schedule and guidance.

use clap::Args;
use vernier_engine::recipe::Recipe;
use vernier_engine::sampling::{Convention, ScheduleName};

/// What is asked of schedule and guidance.
#[derive(Debug, Args)]
#[command(next_help_heading = "Schedule and guidance")]
pub(super) struct ScheduleArgs {
    #[arg(long, value_name = "NAME", help = schedule_help())]
    schedule: Option<String>,
    #[arg(long, value_name = "NAME", help = convention_help())]
    convention: Option<String>,
    /// Make the last timestep pure noise, for models that were trained so and whose folder does
    /// not say it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    zero_snr: Option<bool>,
    /// Take back so much of the over-exposure that guidance causes, 0 to 1; 0.7 is usual with
    /// --zero-snr [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    guidance_rescale: Option<f64>,
    /// Steer a LoRA: the negative half of guidance takes it at this share of its weight, 0 to 1.
    /// 0 pushes hardest towards what it taught, 1 is usual guidance (arXiv 2508.00319)
    /// [default: off]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    steering: Option<f64>,
}

impl ScheduleArgs {
    /// Changes `recipe` to what the options say.
    pub(super) fn change(&self, recipe: &mut Recipe) {
        // It belongs to what the recipe said before.
        recipe.walk.resolved_schedule = None;
        if let Some(schedule) = &self.schedule {
            recipe.walk.schedule.clone_from(schedule);
        }
        if let Some(convention) = &self.convention {
            recipe.walk.convention.clone_from(convention);
        }
        if let Some(zero_snr) = self.zero_snr {
            recipe.walk.zero_terminal_snr = zero_snr;
        }
        if let Some(rescale) = self.guidance_rescale {
            recipe.walk.guidance_rescale = rescale;
        }
        if let Some(share) = self.steering {
            recipe.walk.steering = Some(share);
        }
    }
}

fn schedule_help() -> String {
    let names = ScheduleName::ALL.map(ScheduleName::name).join(", ");
    format!("How steps are spaced: one of {names} [default: model, which is as its folder says]")
}

fn convention_help() -> String {
    let names = Convention::ALL.map(Convention::name).join(" or ");
    format!("Whose rules hold where programs disagree: {names} [default: diffusers]")
}
