//! `vernier models pull`: models, and files that work with them, from the Hugging Face Hub.

mod choice;
mod progress;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use vernier_engine::EngineError;
use vernier_engine::adapters::FoundAdapter;
use vernier_engine::checkpoint::{ControlNetFile, file_sha256};
use vernier_engine::controls::tensor_kind::TensorKind;
use vernier_engine::picture_prompts::PicturePromptFile;
use vernier_engine::recipe::is_sha256_hex;
use vernier_engine::weights::TensorFile;

use self::choice::{Choice, WEIGHTS, choose};
use self::progress::DownloadProgress;
use super::say;
use crate::assets::{self, own};
use crate::failure::Failure;

/// How often a download that broke off is taken up again.
const RETRIES: usize = 5;

/// What the Hub answers where a download is asked to go on behind its end.
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// What to bring here.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Repository of the Hub, such as stabilityai/sdxl-turbo
    #[arg(value_name = "OWNER/NAME", value_parser = parse_repository)]
    repository: String,
    /// Only this file of it; repeatable
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<String>,
    /// Branch, tag or commit
    #[arg(long, value_name = "NAME", default_value = "main")]
    revision: String,
    /// Weights of this variant, such as fp16, where there are some [default: those without one]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// What it is called here [default: the repository's name, or the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What a single file is [default: what its tensors say]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
}

/// What a file is, and so in which folder it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A model
    Model,
    /// A LoRA or one of its relatives
    Lora,
    /// A textual-inversion embedding
    Embedding,
    /// A network that enlarges pictures
    Upscaler,
    /// A ControlNet
    Controlnet,
    /// An IP-Adapter
    PicturePrompt,
}

impl Kind {
    /// The folder's name in the user's data folder.
    fn folder(self) -> &'static str {
        match self {
            Self::Model => own::MODELS,
            Self::Lora => own::ADAPTERS,
            Self::Embedding => own::EMBEDDINGS,
            Self::Upscaler => own::UPSCALERS,
            Self::Controlnet => own::CONTROLNETS,
            Self::PicturePrompt => own::PICTURE_PROMPTS,
        }
    }

    /// What the tensors of `path` say that it is.
    fn of(path: &Path) -> Result<Self, Failure> {
        let kind = TensorKind::of(&TensorFile::open(path)?)?;
        if kind == Some(TensorKind::Checkpoint) {
            return Ok(Self::Model);
        }
        if ControlNetFile::open(path).is_ok() {
            return Ok(Self::Controlnet);
        }
        if PicturePromptFile::look(path).is_ok() {
            return Ok(Self::PicturePrompt);
        }
        match FoundAdapter::look(path).kind {
            Ok(kind) if kind.is_embedding() => Ok(Self::Embedding),
            Ok(_) => Ok(Self::Lora),
            Err(_) => Err(Failure::Usage(format!(
                "{}: its tensors do not tell what it is; say so with --kind",
                path.display()
            ))),
        }
    }
}

fn parse_repository(text: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(fine)
    };
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [owner, name] if is_part(owner) && is_part(name) => Ok(text.to_owned()),
        _ => Err("a repository is written OWNER/NAME, such as stabilityai/sdxl-turbo".to_owned()),
    }
}

/// Downloads what is not in the Hub's cache on this machine yet, and gives it a name here.
pub(super) fn run(args: &PullArgs) -> Result<(), Failure> {
    let cache = Cache::from_env();
    let (choice, files) = if is_offline() {
        from_cache(args, &cache)?
    } else {
        from_hub(args, &cache)?
    };
    match choice {
        Choice::Folder(names) => {
            // The index lies at the root of what was downloaded.
            let root = root_of(&files[0], &names[0]);
            let (_, name) = args.repository.split_once('/').unwrap_or_default();
            keep(&root, Kind::Model, args.name.as_deref().unwrap_or(name))
        }
        Choice::Files(_) => {
            if args.name.is_some() && files.len() > 1 {
                let problem = "--name is for one file; leave it out for several";
                return Err(Failure::Usage(problem.to_owned()));
            }
            for file in &files {
                let kind = args.kind.map_or_else(|| Kind::of(file), Ok)?;
                keep(file, kind, &name_of_file(args, file))?;
            }
            Ok(())
        }
    }
}

/// What a single file is called here: as the artist says, else like the repository where its own
/// name says nothing, else by its own.
fn name_of_file(args: &PullArgs, file: &Path) -> String {
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let stem = part(file.file_stem());
    let is_nameless = stem
        .split('.')
        .next()
        .is_some_and(|base| WEIGHTS.contains(&base) || base == "pytorch_lora_weights");
    let of_repository = args.repository.split_once('/').map(|(_, name)| name);
    let of_repository = of_repository.filter(|_| is_nameless && args.files.len() < 2);
    match args.name.as_deref().or(of_repository) {
        Some(name) => format!("{name}.{}", part(file.extension())),
        None => part(file.file_name()),
    }
}

/// The folder that `file`, downloaded as `name`, lies in with that name.
fn root_of(file: &Path, name: &str) -> PathBuf {
    let depth = name.split('/').count();
    file.ancestors().nth(depth).unwrap_or(file).to_owned()
}

fn is_offline() -> bool {
    let set = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
    ["1", "true", "yes", "on"].contains(&set.to_lowercase().as_str())
}

fn repo(args: &PullArgs) -> Repo {
    let (repository, revision) = (args.repository.clone(), args.revision.clone());
    Repo::with_revision(repository, RepoType::Model, revision)
}

/// What the cache holds of the repository, without asking the Hub.
fn from_cache(args: &PullArgs, cache: &Cache) -> Result<(Choice, Vec<PathBuf>), Failure> {
    let folder = cache.path().join(repo(args).folder_name());
    let commit = std::fs::read_to_string(folder.join("refs").join(&args.revision));
    let commit = commit.unwrap_or_else(|_| args.revision.clone());
    let root = folder.join("snapshots").join(commit.trim());
    let names = names_below(&root);
    if names.is_empty() {
        return Err(Failure::Failed(format!(
            "{}: HF_HUB_OFFLINE is set, and {} has nothing of it; unset it, or copy a model's \
             folder or file to this machine and name it with --model",
            args.repository,
            cache.path().display()
        )));
    }
    let variant = args.variant.as_deref();
    let choice = choose(&args.repository, &names, &args.files, variant)?;
    let (Choice::Folder(chosen) | Choice::Files(chosen)) = &choice;
    let files = chosen.iter().map(|name| root.join(name)).collect();
    Ok((choice, files))
}

/// Names of the files below `root`, with `/` between folders.
fn names_below(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else {
                names.push(name);
            }
        }
    }
    names.sort();
    names
}

/// What the Hub has, and what of it is not on this machine yet.
fn from_hub(args: &PullArgs, cache: &Cache) -> Result<(Choice, Vec<PathBuf>), Failure> {
    let told = |error: &ApiError| explained(args, error);
    let api = api().map_err(|error| told(&error))?;
    let of_revision = api.repo(repo(args));
    let info = of_revision.info().map_err(|error| told(&error))?;
    let names: Vec<String> = info.siblings.into_iter().map(|s| s.rfilename).collect();
    let variant = args.variant.as_deref();
    let choice = choose(&args.repository, &names, &args.files, variant)?;
    let (Choice::Folder(chosen) | Choice::Files(chosen)) = &choice;
    // All of one commit, even where the branch moves meanwhile.
    let commit = Repo::with_revision(args.repository.clone(), RepoType::Model, info.sha.clone());
    let of_commit = api.repo(commit.clone());
    // What Python programs have downloaded is found by the commit then, too.
    let _ = cache.repo(commit.clone()).create_ref(&info.sha);
    let mut files = Vec::new();
    for (number, name) in chosen.iter().enumerate() {
        let path = if let Some(path) = cache.repo(commit.clone()).get(name) {
            path
        } else {
            let place = (number + 1, chosen.len());
            download(cache, &commit, &of_commit, name, place).map_err(|e| told(&e))?
        };
        check_whole(&path, name)?;
        files.push(path);
    }
    // A later run without a network finds it by the branch's name.
    let _ = cache.repo(repo(args)).create_ref(&info.sha);
    Ok((choice, files))
}

fn api() -> Result<Api, ApiError> {
    let mut builder = ApiBuilder::from_env()
        .with_progress(false)
        .with_retries(RETRIES)
        .with_user_agent("vernier", env!("CARGO_PKG_VERSION"));
    if let Some(token) = std::env::var("HF_TOKEN").ok().filter(|t| !t.is_empty()) {
        builder = builder.with_token(Some(token));
    }
    builder.build()
}

fn download(
    cache: &Cache,
    repo: &Repo,
    hub: &ApiRepo,
    name: &str,
    place: (usize, usize),
) -> Result<PathBuf, ApiError> {
    let download = || hub.download_with_progress(name, DownloadProgress::new(place));
    match download() {
        // One that was stopped between its last byte and its name has nothing left to ask for.
        Err(error) if status_of(&error) == Some(RANGE_NOT_SATISFIABLE) => {
            let blobs = cache.path().join(repo.folder_name()).join("blobs");
            for entry in std::fs::read_dir(blobs)?.flatten() {
                if entry.path().extension().is_some_and(|e| e == "part") {
                    std::fs::remove_file(entry.path())?;
                }
            }
            download()
        }
        outcome => outcome,
    }
}

/// Large files are kept under their SHA-256, so what was downloaded can be held against it.
fn check_whole(path: &Path, name: &str) -> Result<(), Failure> {
    let blob = std::fs::canonicalize(path).map_err(|e| EngineError::io(path, e))?;
    let hash = blob.file_name().unwrap_or_default().to_string_lossy();
    if !is_sha256_hex(&hash) || file_sha256(&blob)? == hash {
        return Ok(());
    }
    for file in [path, &blob] {
        std::fs::remove_file(file).map_err(|e| EngineError::io(file, e))?;
    }
    Err(Failure::Failed(format!(
        "{name}: what came is not what the Hub says that it has, and was thrown away; pull it again"
    )))
}

/// Links `from` into the folder of its kind, under `name`.
fn keep(from: &Path, kind: Kind, name: &str) -> Result<(), Failure> {
    let folder = assets::own_folder(kind.folder()).ok_or_else(|| {
        let problem = "there is no place for models; set HOME or XDG_DATA_HOME";
        Failure::Failed(problem.to_owned())
    })?;
    std::fs::create_dir_all(&folder).map_err(|e| EngineError::io(&folder, e))?;
    let to = folder.join(name);
    if let Ok(there) = std::fs::symlink_metadata(&to) {
        if !there.is_symlink() {
            return Err(Failure::Usage(format!(
                "{}: is there already, and was not pulled; give another --name",
                to.display()
            )));
        }
        std::fs::remove_file(&to).map_err(|e| EngineError::io(&to, e))?;
    }
    link(from, &to).map_err(|e| EngineError::io(&to, e))?;
    say(&to.display().to_string());
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        std::os::windows::fs::symlink_dir(from, to)
    } else {
        std::os::windows::fs::symlink_file(from, to)
    }
}

/// What went wrong with the Hub, and what to do.
fn explained(args: &PullArgs, error: &ApiError) -> Failure {
    let repository = &args.repository;
    let status = status_of(error);
    Failure::Failed(match status {
        Some(401 | 403) => format!(
            "{repository}: the Hub does not let you have it; where it asks for consent, give it on \
             the model's page, then set HF_TOKEN to a token of your account"
        ),
        Some(404) => format!(
            "{repository}: the Hub has no such model, or no revision {}; look for it by name on \
             its pages",
            args.revision
        ),
        _ => format!(
            "{repository}: cannot be had from the Hub ({error}); the same command goes on where it \
             stopped, and without a network a model's folder or file copied to this machine works \
             with --model"
        ),
    })
}

fn status_of(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::TooManyRetries(inner) => status_of(inner),
        ApiError::RequestError(inner) => match **inner {
            ureq::Error::StatusCode(code) => Some(code),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_an_owner_and_a_name() {
        assert!(parse_repository("stabilityai/sdxl-turbo").is_ok());
        for wrong in ["sdxl", "a/b/c", "/b", "a/", "../b", "a/b c"] {
            assert!(parse_repository(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_root_is_above_all_that_was_downloaded() {
        let file = Path::new("/hub/snapshots/1f/unet/config.json");
        let root = root_of(file, "unet/config.json");
        assert_eq!(root, Path::new("/hub/snapshots/1f"));
    }
}
