//! `vernier measure edit`.

use serde_json::json;
use vernier_engine::EngineError;
use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::measure::{EditCases, EditTrial, write_page};
use vernier_engine::recipe::Recipe;
use vernier_engine::render::Defaults;
use vernier_engine::service::{
    EditsTask, MeasureRequest, MeasureTask, Measured, PromptChoice, RenderOptions,
};

use super::args::EditArgs;
use crate::assets;
use crate::failure::Failure;
use crate::headless::job::{Engine, require_writable_folder};
use crate::headless::report::Reporter;
use crate::headless::say;

/// Has the edits made, and writes what was measured.
pub(super) fn edits(args: &EditArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    require_writable_folder(&args.out)?;
    let list = EditCases::open(&args.cases)?;
    let all = list.cases.len();
    let cases = list.cases.into_iter().enumerate().skip(args.skip as usize);
    let cases: Vec<_> = cases
        .take(args.first.map_or(usize::MAX, |n| n as usize))
        .collect();
    if cases.is_empty() {
        let problem = format!("leaves none of the {all} cases; skip fewer");
        return Err(EngineError::request("skip", problem).into());
    }
    let request = MeasureRequest {
        base: base(args)?,
        task: MeasureTask::Edits(EditsTask {
            cases,
            trials: if args.trials.is_empty() {
                EditTrial::ALL.to_vec()
            } else {
                args.trials.clone()
            },
            shown: args.shown as usize,
        }),
        prompts: PromptChoice::Own(String::new()),
        seeds: Vec::new(),
        cache: None,
    };
    let options = RenderOptions {
        meter: MeterOptions {
            clip: args.clip.clone(),
            ..MeterOptions::default()
        },
        ..assets::render_options(args.device.parse()?)
    };
    let measured = Engine::start()?.measure(request, options, reporter)?;
    let Measured::Edits { bench, page } = measured else {
        return Err(super::unexpected());
    };
    bench.write(&args.out)?;
    write_page(&args.out.join("edits.png"), &page)?;
    if args.json {
        say(&json!({"event": "measured", "edits": bench}).to_string());
    } else {
        eprintln!("{}", bench.to_markdown());
    }
    super::paths(
        &args.out,
        &["edits.md", "edits.csv", "edits.json", "edits.png"],
        args.json,
    );
    Ok(())
}

/// What all edits share.
fn base(args: &EditArgs) -> Result<Recipe, Failure> {
    let (model, folder) = assets::chosen_model(args.model.as_deref())?;
    let defaults = Defaults::of(&folder)?;
    let (width_px, height_px) = args.size.unwrap_or((defaults.width_px, defaults.height_px));
    Ok(Recipe {
        seed: args.seed,
        width_px,
        height_px,
        steps: args.steps.unwrap_or(defaults.steps),
        guidance_scale: args
            .guidance
            .unwrap_or_else(|| defaults.edit_guidance_scale()),
        dtype: args.dtype.clone(),
        ..defaults.recipe(model)?
    })
}
