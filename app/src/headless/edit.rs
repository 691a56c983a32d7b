//! `vernier edit`: things of a picture changed by words, one list of changes or one a line of a
//! table.

use std::path::{Path, PathBuf};

use clap::Args;
use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::picture::PictureShelf;
use vernier_engine::recipe::{
    Change, ControlUse, Edit, EditMethod, EditPart, MaskUse, PictureRef, Recipe, Source,
    TextOptions,
};
use vernier_engine::render::Defaults;
use vernier_engine::{EngineError, Result as EngineResult};

use super::cli::{parse_control, parse_size};
use super::job::{self, Output};
use super::render::random_seed;
use super::report::Reporter;
use crate::assets;
use crate::failure::Failure;

/// Options of `vernier edit`.
#[derive(Debug, Args)]
pub(super) struct EditCommand {
    /// The picture to change (PNG or JPEG), scaled to cover the size and cut about its centre
    #[arg(value_name = "IMAGE", required_unless_present = "csv")]
    image: Option<PathBuf>,
    /// What the picture shows
    #[arg(long, value_name = "TEXT", required_unless_present = "csv")]
    source_prompt: Option<String>,
    /// A change, as "red apple -> green pear": words of the source prompt and what to show instead.
    /// Repeatable
    #[arg(long = "edit", value_name = "CHANGE", value_parser = parse_change, required_unless_present = "csv")]
    edits: Vec<Change>,
    /// Where a change is made, white in a picture: "red apple=mask.png" [default: where the model
    /// finds the words]. Repeatable
    #[arg(long = "mask", value_name = "WORDS=FILE", value_parser = parse_mask)]
    masks: Vec<(String, PathBuf)>,
    /// Soften the edges of masks by so many pixels
    #[arg(long, value_name = "PX", default_value_t = 0.0)]
    feather: f64,
    /// Many edits instead: a table with the columns image, source_prompt and edits, of which those
    /// of one picture are parted by ";". Files are relative to the table
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "source_prompt", "edits", "masks"])]
    csv: Option<PathBuf>,
    /// How: ale (attribute-leakage-free editing), ale-published (as its paper has it),
    /// prompt-to-prompt, or ddim-inversion
    #[arg(long, value_name = "METHOD", default_value = "ale", value_parser = parse_method)]
    method: EditMethod,
    /// For how large a part of the steps the shapes of the source are kept, 0 to 1
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    structure: f64,
    /// How far changes go from the old words to the new ones, 0 to 1
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    strength: f64,
    /// Leave a part of the method out, to see what it does: words, regions, background, structure,
    /// detail. Repeatable
    #[arg(long, value_name = "PART", value_parser = parse_part)]
    without: Vec<EditPart>,
    /// A direction at work on something that changes, as in `vernier render`: a change of "man ->
    /// man" leaves him to it alone. Repeatable
    #[arg(long = "control", value_name = "CONTROL", value_parser = parse_control)]
    controls: Vec<ControlUse>,
    /// What to steer away from instead of the old words; without guidance it does nothing
    #[arg(long, value_name = "TEXT", default_value = "")]
    negative: String,
    /// Model folder in diffusers layout [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Seed of the first edit; the next ones count up [default: random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Steps, 4 to 20 for most edits [default: what suits the model]
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Guidance scale, away from the old words; 1 turns guidance off [default: what suits the model,
    /// at least 5 where that is more than 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    guidance: Option<f64>,
    /// Width and height in pixels, multiples of 8 [default: the model's own]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// How many pictures of each edit, each with its own seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Dtype of the U-Net and the text encoder: f32, bf16, or on CUDA f16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: String,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Folder for the pictures; none that is there is overwritten
    #[arg(long, value_name = "DIR", default_value = "edits")]
    out: PathBuf,
    /// Also write each change's mask, and the picture as the model drew it, to this folder
    #[arg(long, value_name = "DIR")]
    masks_out: Option<PathBuf>,
    /// Also add every picture to this project, which is made where it is not there
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Makes the edits that the options or a table say.
pub(super) fn run(args: &EditCommand) -> Result<(), Failure> {
    let mut reporter = Reporter::choose(args.json);
    let outcome = edit(args, &mut reporter);
    if let Err(failure) = &outcome {
        reporter.failed(failure);
    }
    outcome
}

fn edit(args: &EditCommand, reporter: &mut Reporter) -> Result<(), Failure> {
    let device = args.device.parse()?;
    let cases = match (&args.csv, &args.image, &args.source_prompt) {
        (Some(table), ..) => read_table(table)?,
        (None, Some(image), Some(prompt)) => vec![Case {
            image: image.clone(),
            prompt: prompt.clone(),
            changes: args.edits.clone(),
        }],
        _ => {
            return Err(Failure::Usage(
                "name a picture and what it shows".to_owned(),
            ));
        }
    };
    let base = base(args)?;
    let pictures = PictureShelf::default();
    let mut recipes = Vec::new();
    for case in cases {
        let recipe = case.recipe(&base, args)?;
        for _ in 0..args.count {
            let mut recipe = Recipe {
                seed: base.seed.wrapping_add(recipes.len() as u64),
                ..recipe.clone()
            };
            recipe.validate()?;
            pictures.resolve(&mut recipe)?;
            recipes.push(recipe);
        }
    }
    let output = Output {
        folder: &args.out,
        latents: None,
        recipes: None,
        project: args.project.as_deref(),
        masks: args.masks_out.as_deref(),
    };
    job::render(recipes, device, MeterOptions::default(), &output, reporter)
}

/// What all edits share.
fn base(args: &EditCommand) -> Result<Recipe, Failure> {
    let (model, folder) = assets::chosen_model(args.model.as_deref())?;
    let defaults = Defaults::of(&folder)?;
    let (width_px, height_px) = args.size.unwrap_or((defaults.width_px, defaults.height_px));
    Ok(Recipe {
        negative_prompt: args.negative.clone(),
        seed: args.seed.unwrap_or_else(random_seed),
        width_px,
        height_px,
        steps: args.steps.unwrap_or(defaults.steps),
        guidance_scale: args
            .guidance
            .unwrap_or_else(|| defaults.edit_guidance_scale()),
        dtype: args.dtype.clone(),
        controls: args.controls.clone(),
        text: TextOptions::A1111,
        ..defaults.recipe(model)?
    })
}

/// One picture and what shall change in it.
struct Case {
    image: PathBuf,
    prompt: String,
    changes: Vec<Change>,
}

impl Case {
    fn recipe(&self, base: &Recipe, args: &EditCommand) -> Result<Recipe, Failure> {
        let mut changes = self.changes.clone();
        for change in &mut changes {
            change.strength = args.strength;
        }
        for (words, file) in &args.masks {
            let own = changes.iter_mut().find(|change| change.from == *words);
            let change = own.ok_or_else(|| {
                Failure::Usage(format!(
                    "--mask: no change is of \"{words}\"; give the words as they stand before the \
                     arrow"
                ))
            })?;
            change.mask = Some(MaskUse {
                feather_px: args.feather,
                ..MaskUse::new(PictureRef::at(file))
            });
        }
        Ok(Recipe {
            prompt: self.prompt.clone(),
            source: Some(Source::new(PictureRef::at(&self.image), 1.0)),
            edit: Some(Edit {
                method: args.method,
                structure: args.structure,
                without: args.without.clone(),
                ..Edit::new(changes)
            }),
            ..base.clone()
        })
    }
}

/// The edits of a table, one a line.
fn read_table(path: &Path) -> EngineResult<Vec<Case>> {
    let bad = |problem: String| EngineError::bad_file(path, problem);
    let text = std::fs::read(path).map_err(|e| EngineError::io(path, e))?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let headers = reader
        .headers()
        .map_err(|e| bad(format!("is no table ({e})")))?
        .clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header.trim() == name)
            .ok_or_else(|| {
                bad(format!(
                    "has no column {name}; it needs image, source_prompt and edits"
                ))
            })
    };
    let columns = [column("image")?, column("source_prompt")?, column("edits")?];
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut cases = Vec::new();
    for (at, row) in reader.records().enumerate() {
        let line = at + 2;
        let row = row.map_err(|e| bad(format!("line {line} cannot be read ({e})")))?;
        let [image, prompt, edits] =
            columns.map(|column| row.get(column).unwrap_or_default().trim());
        let changes = edits
            .split(';')
            .filter(|edit| !edit.trim().is_empty())
            .map(str::parse)
            .collect::<EngineResult<Vec<Change>>>()
            .map_err(|e| bad(format!("line {line}: {e}")))?;
        cases.push(Case {
            image: folder.join(image),
            prompt: prompt.to_owned(),
            changes,
        });
    }
    if cases.is_empty() {
        return Err(bad("has no line of an edit".to_owned()));
    }
    Ok(cases)
}

fn parse_change(text: &str) -> Result<Change, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

fn parse_mask(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((words, file)) if !words.trim().is_empty() && !file.is_empty() => {
            Ok((words.trim().to_owned(), file.into()))
        }
        _ => Err("write it as WORDS=FILE, such as \"red apple=mask.png\"".to_owned()),
    }
}

fn parse_method(text: &str) -> Result<EditMethod, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

fn parse_part(text: &str) -> Result<EditPart, String> {
    match text {
        "words" => Ok(EditPart::Words),
        "regions" => Ok(EditPart::Regions),
        "background" => Ok(EditPart::Background),
        "structure" => Ok(EditPart::Structure),
        "detail" => Ok(EditPart::Detail),
        _ => Err("it is words, regions, background, structure or detail".to_owned()),
    }
}
