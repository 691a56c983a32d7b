//! `vernier batch`: the recipes of a project, or one part of them, as pictures and a list.

mod manifest;
mod plan;

use std::path::{Path, PathBuf};

use clap::Args;
use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::picture;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::RenderOptions;

use self::manifest::Row;
use self::plan::{Plan, Shard, Wanted};
use super::job::{self, Engine};
use super::report::Reporter;
use crate::assets;
use crate::failure::Failure;

/// What is rendered, and where it goes.
#[derive(Debug, Args)]
pub(super) struct BatchArgs {
    /// A project (.vernier), of which the named recipes are rendered, or the one on the bench
    /// where none is named; or a list of recipes (.json)
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Only the recipe of this name. Repeatable
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only part I of N, from 1 to N: every N-th recipe. The parts together are the whole
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Folder for the pictures and the list of them; pictures that are there already are not
    /// rendered again
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the model of this name lies now [default: where the project says]. Repeatable
    #[arg(long = "model", value_name = "NAME=DIR", value_parser = plan::parse_place)]
    models: Vec<(String, PathBuf)>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Folder with both of CLIP's towers, to read pictures for controls that are to reach a
    /// measured value [default: the model's own meter]
    #[arg(long, value_name = "DIR")]
    clip: Option<PathBuf>,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Renders what is not there yet.
pub(super) fn run(args: &BatchArgs) -> Result<(), Failure> {
    let mut reporter = Reporter::choose(args.json);
    let outcome = batch(args, &mut reporter);
    if let Err(failure) = &outcome {
        reporter.failed(failure);
    }
    outcome
}

fn batch(args: &BatchArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    let device = args.device.parse()?;
    let plan = Plan::read(args)?;
    for note in &plan.notes {
        job::note(note.clone(), reporter);
    }
    // Before the first minute of work, not after it.
    job::require_writable_folder(&args.out)?;
    let mut missing = Vec::new();
    for wanted in &plan.wanted {
        let path = args.out.join(&wanted.file);
        if is_there(&path, &wanted.asked) {
            reporter.there(&path, &wanted.name);
        } else {
            missing.push(wanted);
        }
    }
    if !missing.is_empty() {
        let options = RenderOptions {
            meter: MeterOptions {
                clip: args.clip.clone(),
                ..MeterOptions::default()
            },
            pictures: plan.pictures.clone(),
            ..assets::render_options(device)
        };
        render(&missing, options, args, reporter)?;
    }
    let mut rows = Vec::new();
    for wanted in &plan.wanted {
        rows.push(Row::of(&args.out, wanted)?);
    }
    let path = args.out.join(manifest::name(args.shard));
    manifest::write(&path, &plan, args.shard, &rows)?;
    reporter.listed(&path, rows.len());
    Ok(())
}

fn render(
    missing: &[&Wanted],
    options: RenderOptions,
    args: &BatchArgs,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    let engine = Engine::start()?;
    let recipes = missing.iter().map(|wanted| wanted.recipe.clone()).collect();
    let mut kept = 0;
    let outcome = engine.run(recipes, options, reporter, |made, reporter| {
        let path = args.out.join(&missing[made.index].file);
        picture::save(&path, &made.picture, &made.recipe)?;
        reporter.saved(&made, &path);
        kept += 1;
        Ok(())
    });
    outcome.map_err(|failure| match failure {
        Failure::Cancelled(_) => Failure::Cancelled(format!(
            "cancelled; {kept} of {} missing pictures are in {}, and the same command goes on \
             from there",
            missing.len(),
            args.out.display()
        )),
        failure => failure,
    })
}

/// Whether a whole picture of what is asked for lies at `path`.
fn is_there(path: &Path, asked: &Recipe) -> bool {
    path.is_file()
        && picture::read_recipe(path).is_ok_and(|made| asked.asks_for(&made))
        && picture::read_pixels(path).is_ok()
}
