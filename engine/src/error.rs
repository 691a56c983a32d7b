//! One error type, each variant one sentence that names the file or field and says what to do.

use std::io::ErrorKind;
use std::path::PathBuf;

/// Everything that can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file could not be opened, read or written.
    #[error("{}: {}", path.display(), describe_io(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is there but is not what it should be.
    #[error("{}: {problem}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// A configuration field has a value that cannot be used.
    #[error("{}: field \"{field}\" {problem}", path.display())]
    BadConfig {
        /// The configuration file.
        path: PathBuf,
        /// The field's name.
        field: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// Weights do not fit the model that the configuration describes.
    #[error("{}: {}", path.display(), describe_mismatch(missing, unexpected, shapes))]
    Weights {
        /// The weights file.
        path: PathBuf,
        /// Names that the model needs and the file lacks.
        missing: Vec<String>,
        /// Names in the file that the model has no place for.
        unexpected: Vec<String>,
        /// Names whose shape differs, with both shapes.
        shapes: Vec<String>,
    },
    /// A request (recipe field or command-line value) that cannot be carried out as asked.
    #[error("{field}: {problem}")]
    Request {
        /// The recipe field or option.
        field: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// Numbers stopped being finite.
    #[error("{place}: {problem}")]
    NotFinite {
        /// Where it was noticed.
        place: String,
        /// What to do.
        problem: String,
    },
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// libtorch refused an operation.
    #[error("libtorch: {}", first_line(&.0.to_string()))]
    Torch(#[from] tch::TchError),
}

/// The engine's result type.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    /// An error about reading or writing `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    /// An error about the content of `path`.
    pub fn bad_file(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::BadFile {
            path: path.into(),
            problem: problem.into(),
        }
    }

    /// An error about one field of a configuration file.
    pub fn bad_config(
        path: impl Into<PathBuf>,
        field: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::BadConfig {
            path: path.into(),
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// An error about one field of a request.
    pub fn request(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Request {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// Whether the caller asked for something impossible (exit code 2), as against a failure (1).
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Request { .. })
    }
}

/// The operating system's words, where ours do not say better what to do.
fn describe_io(source: &std::io::Error) -> String {
    let words = match source.kind() {
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::PermissionDenied => {
            "this user has no permission; change its permissions or choose another place"
        }
        ErrorKind::IsADirectory => "is a folder, where a file is needed",
        ErrorKind::NotADirectory => "leads through a file, where a folder is needed",
        ErrorKind::ReadOnlyFilesystem => "lies on a read-only disk; choose another place",
        ErrorKind::StorageFull => "the disk is full; free some space or choose another place",
        _ => return source.to_string(),
    };
    words.to_owned()
}

/// libtorch appends a C++ stack trace to its messages; the first line is the sentence.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

fn describe_mismatch(missing: &[String], unexpected: &[String], shapes: &[String]) -> String {
    let mut parts = Vec::new();
    for (what, names) in [
        ("lacks", missing),
        (
            "has tensors that the model's config.json leaves no place for:",
            unexpected,
        ),
        (
            "has tensors of another shape than config.json asks for:",
            shapes,
        ),
    ] {
        if !names.is_empty() {
            let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(8);
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            parts.push(format!("{what} {shown}{rest}"));
        }
    }
    format!(
        "the weights do not fit the model: the file {}",
        parts.join("; it ")
    )
}
