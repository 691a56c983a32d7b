//! `vernier talk`: a picture is changed by what is said, sentence by sentence.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::controls::ControlInfo;
use vernier_engine::picture::{self, Picture};
use vernier_engine::project::{ProjectFile, result_png_name};
use vernier_engine::recipe::{self, Recipe};
use vernier_engine::service::{RenderOptions, SceneRequest};
use vernier_engine::talk::{
    Dialogue, Level, Lexicon, Move, Outcome, PictureReadings, Question, Scene, Understood, apply,
};

use super::job::{self, Engine};
use super::render::is_png;
use super::report::Reporter;
use super::results::Results;
use super::say;
use crate::assets;
use crate::failure::Failure;

/// A reading that changes by more, though nobody asked, is told.
const WORTH_TELLING: f64 = 0.1;

/// Options of `vernier talk`.
#[derive(Debug, Args)]
pub(super) struct TalkArgs {
    /// A picture that carries its recipe (.png), a recipe (.json), or a project (.vernier), of
    /// which the newest picture is taken
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to change, such as "make her smile a bit more"; one after the other, and an answer after
    /// a question. Without any, lines of standard input are read
    #[arg(value_name = "SENTENCE")]
    sentences: Vec<String>,
    /// Folder for the pictures; none that is there is overwritten
    #[arg(long, value_name = "DIR", default_value = "talks")]
    out: PathBuf,
    /// Also add every picture to this project, which is made where it is not there
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Folder with both of CLIP's towers, to read pictures with [default: the model's own meter]
    #[arg(long, value_name = "DIR")]
    clip: Option<PathBuf>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Changes a picture as the sentences say.
pub(super) fn run(args: &TalkArgs) -> Result<(), Failure> {
    let mut reporter = Reporter::choose(args.json);
    let outcome = talk(args, &mut reporter);
    if let Err(failure) = &outcome {
        reporter.failed(failure);
    }
    outcome
}

fn talk(args: &TalkArgs, reporter: &mut Reporter) -> Result<(), Failure> {
    let device = args.device.parse()?;
    let lexicon = Lexicon::usual()?;
    let options = RenderOptions {
        meter: MeterOptions {
            clip: args.clip.clone(),
            ..MeterOptions::default()
        },
        ..assets::render_options(device)
    };
    let (mut recipe, picture) = opened(&args.file, &options)?;
    if recipe.model.path.is_none() {
        assets::require_embedded_model()?;
    }
    options.pictures.resolve(&mut recipe)?;
    job::require_writable_folder(&args.out)?;
    let project = match &args.project {
        Some(path) => Some(Results::open(
            path,
            std::slice::from_ref(&recipe),
            reporter,
        )?),
        None => None,
    };
    let controls = options.controls.list().into_iter().map(|found| found.info);
    let mut session = Session {
        engine: Engine::start()?,
        controls: controls.collect(),
        options,
        lexicon,
        dialogue: Dialogue::new(),
        states: Vec::new(),
        at: 0,
        folder: &args.out,
        project,
        json: args.json,
    };
    session.begin(recipe, picture, reporter)?;
    if args.sentences.is_empty() {
        return session.listen(reporter);
    }
    let mut open = None;
    for sentence in &args.sentences {
        if let Some(question) = open.take().filter(|q: &Question| q.choices.is_empty()) {
            return Err(unsettled(&question));
        }
        open = session.hear(sentence, reporter)?;
    }
    match open {
        Some(question) => Err(unsettled(&question)),
        None => Ok(()),
    }
}

/// A question that nobody is there to answer.
fn unsettled(question: &Question) -> Failure {
    let mut text = question.text.clone();
    if !question.choices.is_empty() {
        let quoted: Vec<String> = question
            .choices
            .iter()
            .map(|c| format!("\"{c}\""))
            .collect();
        text = format!(
            "{text} Answer with {} as the next sentence",
            quoted.join(" or ")
        );
    }
    Failure::Usage(text)
}

/// The recipe of the file, and its picture where it has one.
fn opened(path: &Path, options: &RenderOptions) -> Result<(Recipe, Option<Picture>), Failure> {
    if is_png(path) {
        return Ok((
            picture::read_recipe(path)?,
            Some(picture::read_pixels(path)?),
        ));
    }
    if path.extension().is_some_and(|ending| ending == "vernier") {
        let mut opened = ProjectFile::open_to_read(path)?;
        opened
            .file
            .share_pictures(&opened.project, &options.pictures);
        let Some(last) = opened.project.results.last() else {
            return Ok((opened.project.bench.recipe, None));
        };
        let png = opened.file.attachment(&result_png_name(&last.id))?;
        let picture = picture::pixels_in(&png, path)?;
        return Ok((last.recipe.clone(), Some(picture)));
    }
    let mut recipes = recipe::read(path)?;
    match (recipes.pop(), recipes.is_empty()) {
        (Some(recipe), true) => Ok((recipe, None)),
        _ => Err(Failure::Usage(format!(
            "{}: holds several recipes, and a talk is about one; name a picture or a file with one",
            path.display()
        ))),
    }
}

/// A picture of the talk.
struct State {
    recipe: Recipe,
    readings: PictureReadings,
    /// Where it lies, once it was made or if it was there.
    path: Option<PathBuf>,
}

struct Session<'a> {
    engine: Engine,
    options: RenderOptions,
    controls: Vec<ControlInfo>,
    lexicon: Lexicon,
    dialogue: Dialogue,
    states: Vec<State>,
    /// The one that is spoken of.
    at: usize,
    folder: &'a Path,
    project: Option<Results>,
    json: bool,
}

impl Session<'_> {
    /// Reads the picture that the talk begins with, or makes it first.
    fn begin(
        &mut self,
        recipe: Recipe,
        picture: Option<Picture>,
        reporter: &mut Reporter,
    ) -> Result<(), Failure> {
        let state = match picture {
            Some(picture) => {
                let readings = self.read(&recipe, picture, reporter)?;
                State {
                    recipe,
                    readings,
                    path: None,
                }
            }
            None => self.make(recipe, reporter)?,
        };
        self.states.push(state);
        Ok(())
    }

    /// Takes sentences from standard input until it ends.
    fn listen(&mut self, reporter: &mut Reporter) -> Result<(), Failure> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            eprintln!("Say what to change, such as “make her smile a bit more”; Ctrl-D ends.");
        }
        let mut open = None;
        let mut lines = stdin.lock().lines();
        while let Some(line) = self.engine.idle(|| lines.next()) {
            let line = line.map_err(|e| Failure::Failed(format!("standard input: {e}")))?;
            if line.trim().is_empty() {
                continue;
            }
            open = self.hear(&line, reporter)?;
            if let Some(question) = &open {
                eprintln!("{}", question.text);
                if !question.choices.is_empty() {
                    eprintln!("  {}", question.choices.join(" / "));
                }
            }
        }
        match open {
            Some(question) => Err(unsettled(&question)),
            None => Ok(()),
        }
    }

    /// Does what `sentence` says, or gives the question that it leaves.
    fn hear(
        &mut self,
        sentence: &str,
        reporter: &mut Reporter,
    ) -> Result<Option<Question>, Failure> {
        let state = &self.states[self.at];
        let scene = Scene::new(
            &self.lexicon,
            &state.recipe,
            &self.controls,
            &state.readings,
        );
        let outcome = self.dialogue.understand(&self.lexicon, &scene, sentence);
        if self.json {
            let mut event = json!({"event": "understood", "sentence": sentence});
            event["meaning"] = json!(outcome);
            say(&event.to_string());
        }
        match outcome {
            Outcome::Change(understood) => self.change(&understood, reporter)?,
            Outcome::Undo { count } => {
                let text = if self.at == 0 {
                    "There is nothing to take back.".to_owned()
                } else {
                    self.at = self.at.saturating_sub(count);
                    self.back_at()
                };
                Self::tell(text, reporter);
            }
            Outcome::Redo => {
                let text = if self.at + 1 < self.states.len() {
                    self.at += 1;
                    self.back_at()
                } else {
                    "There is nothing to make again.".to_owned()
                };
                Self::tell(text, reporter);
            }
            Outcome::Nothing { say } => Self::tell(say, reporter),
            Outcome::Ask(question) => return Ok(Some(question)),
        }
        Ok(None)
    }

    fn back_at(&self) -> String {
        match &self.states[self.at].path {
            Some(path) => format!("Back at {}.", path.display()),
            None => "Back at the picture of the beginning.".to_owned(),
        }
    }

    fn tell(text: String, reporter: &mut Reporter) {
        job::note(text, reporter);
    }

    fn change(&mut self, understood: &Understood, reporter: &mut Reporter) -> Result<(), Failure> {
        Self::tell(understood.summary.clone(), reporter);
        let before = self.states[self.at].readings.clone();
        let recipe = apply(&self.states[self.at].recipe, &understood.moves)?;
        let state = self.make(recipe, reporter)?;
        self.told_after(understood, &before, &state.readings, reporter);
        self.states.truncate(self.at + 1);
        self.states.push(state);
        self.at += 1;
        Ok(())
    }

    /// Tells what the meter reads now: of what was moved, and of what nobody asked for.
    fn told_after(
        &self,
        understood: &Understood,
        before: &PictureReadings,
        after: &PictureReadings,
        reporter: &mut Reporter,
    ) {
        let changes = before.changes(after);
        let mut asked = Vec::new();
        for own in &understood.moves {
            let Move::Control(own) = own else { continue };
            let Level::Reading(wanted) = own.to else {
                continue;
            };
            let change = changes
                .iter()
                .find(|change| change.is_of(own.subject.as_deref(), &own.attribute));
            let Some(change) = change else { continue };
            asked.push(change.clone());
            let text = format!("{change}, {wanted:.2} was asked for");
            Self::tell(text, reporter);
        }
        let others = changes.into_iter().filter(|change| {
            (change.after - change.before).abs() > WORTH_TELLING && !asked.contains(change)
        });
        let others: Vec<_> = others.collect();
        if !others.is_empty() {
            let told: Vec<String> = others.iter().map(ToString::to_string).collect();
            Self::tell(format!("nobody asked for: {}", told.join("; ")), reporter);
        }
        if self.json {
            let event = json!({"event": "readings", "asked": asked, "others": others});
            say(&event.to_string());
        }
    }

    /// Renders `recipe`, keeps the picture and reads it.
    fn make(&mut self, recipe: Recipe, reporter: &mut Reporter) -> Result<State, Failure> {
        let mut kept: Option<(Recipe, Picture, PathBuf)> = None;
        let (folder, project) = (self.folder, &mut self.project);
        let options = self.options.clone();
        self.engine
            .run(vec![recipe], options, reporter, |made, reporter| {
                let path = picture::save_numbered(folder, &made.picture, &made.recipe)?;
                if let Some(project) = project.as_mut() {
                    project.add(&made, &path)?;
                }
                reporter.saved(&made, &path);
                kept = Some((made.recipe, made.picture, path));
                Ok(())
            })?;
        let Some((recipe, picture, path)) = kept else {
            return Err(Failure::Failed("no picture came of it".to_owned()));
        };
        let readings = self.read(&recipe, picture, reporter)?;
        Ok(State {
            recipe,
            readings,
            path: Some(path),
        })
    }

    fn read(
        &self,
        recipe: &Recipe,
        picture: Picture,
        reporter: &mut Reporter,
    ) -> Result<PictureReadings, Failure> {
        let request = SceneRequest {
            picture,
            prompt: recipe.prompt.clone(),
            model: recipe.model.path.as_ref().map(PathBuf::from),
        };
        self.engine
            .read_scene(request, self.options.clone(), reporter)
    }
}
