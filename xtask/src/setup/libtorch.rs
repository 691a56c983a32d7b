//! What a folder with libtorch must hold, and the link to it.

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The libtorch that tch 0.24 is made for; its bindings take no other.
pub(crate) const VERSION: &str = "2.11.0";

/// The library that stands for the whole of libtorch.
const MAIN_LIBRARY: &str = if cfg!(target_os = "macos") {
    "libtorch_cpu.dylib"
} else if cfg!(windows) {
    "torch_cpu.lib"
} else {
    "libtorch_cpu.so"
};

/// One of the two sets of files that set-up can bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LibtorchSet {
    /// Runs on the processor only.
    Cpu,
    /// Runs on NVIDIA GPUs as well.
    Cuda,
}

impl LibtorchSet {
    /// The CUDA set where an NVIDIA driver is present, else the CPU set.
    pub(crate) fn for_this_machine() -> Self {
        if has_nvidia_driver() {
            Self::Cuda
        } else {
            Self::Cpu
        }
    }

    pub(crate) fn folder_name(self) -> String {
        format!("libtorch-{VERSION}-{}", self.word())
    }

    /// The file in `xtask/` that lists the set's wheels with their checksums.
    pub(crate) fn wheel_list(self) -> String {
        format!("libtorch-{}.txt", self.word())
    }

    /// Roughly what the set takes, in words.
    pub(crate) fn size(self) -> &'static str {
        match self {
            Self::Cpu => "0.6 GB to download, 0.6 GB on disk",
            Self::Cuda => "2.5 GB to download, 3.7 GB on disk",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl Display for LibtorchSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
        })
    }
}

fn has_nvidia_driver() -> bool {
    // Under WSL the driver shows itself through nvidia-smi alone.
    Path::new("/proc/driver/nvidia/version").exists()
        || Command::new("nvidia-smi")
            .arg("-L")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .is_ok_and(|run| run.status.success() && run.stdout.starts_with(b"GPU"))
}

/// Checks that `folder` holds libtorch in the right version: `lib/`, `include/`.
pub(crate) fn check(folder: &Path) -> Result<()> {
    ensure!(
        folder.is_absolute(),
        "it must be the full path of a folder that holds libtorch's lib/ and include/"
    );
    let library = folder.join("lib").join(MAIN_LIBRARY);
    ensure!(
        library.exists(),
        "there is no {}: it must hold libtorch's lib/ and include/",
        library.display()
    );
    let version = version_in(folder)?;
    // A build for CUDA 13.0, say, calls itself 2.11.0+cu130.
    let number = version.split('+').next().unwrap_or_default();
    ensure!(
        number == VERSION,
        "it holds libtorch {version}, and Vernier needs {VERSION}"
    );
    Ok(())
}

/// Reads the version: libtorch's own archives have a file for it, Python's torch only a header.
fn version_in(folder: &Path) -> Result<String> {
    if let Ok(version) = fs::read_to_string(folder.join("build-version")) {
        return Ok(version.trim().to_owned());
    }
    let header = folder.join("include/torch/headeronly/version.h");
    let text = fs::read_to_string(&header).with_context(|| {
        format!(
            "neither build-version nor {} tells its version",
            header.display()
        )
    })?;
    version_in_header(&text).with_context(|| format!("{} tells no version", header.display()))
}

fn version_in_header(text: &str) -> Option<String> {
    let number = |name: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "#define" && words.next()? == name).then(|| words.next())?
        })
    };
    let (major, minor) = (
        number("TORCH_VERSION_MAJOR")?,
        number("TORCH_VERSION_MINOR")?,
    );
    Some(format!(
        "{major}.{minor}.{}",
        number("TORCH_VERSION_PATCH")?
    ))
}

/// The set behind `link`, as the cache's folder name tells; None where the link leads elsewhere.
pub(crate) fn set_behind(link: &Path) -> Option<LibtorchSet> {
    let target = fs::read_link(link).ok()?;
    let folder = target.parent()?.file_name()?.to_str()?;
    [LibtorchSet::Cpu, LibtorchSet::Cuda]
        .into_iter()
        .find(|set| set.folder_name() == folder)
}

/// Refuses to go on when something other than a link is in the link's place.
pub(crate) fn check_link_is_ours(link: &Path) -> Result<()> {
    match fs::symlink_metadata(link) {
        Ok(found) if !found.is_symlink() => bail!(
            "{} is no link and holds no libtorch {VERSION}: move it away and run this again",
            link.display()
        ),
        _ => Ok(()),
    }
}

/// Points `link` at `target` in one step, whatever it pointed at before.
pub(crate) fn link(link: &Path, target: &Path) -> Result<()> {
    check_link_is_ours(link)?;
    let fresh = link.with_extension(format!("{}.tmp", std::process::id()));
    symlink(target, &fresh)
        .and_then(|()| fs::rename(&fresh, link))
        .with_context(|| format!("cannot link {} to {}", link.display(), target.display()))
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder that looks like libtorch `version`, as its own archives have it.
    pub(crate) fn fake_libtorch(folder: &Path, version: &str) {
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("include")).unwrap();
        fs::write(folder.join("lib").join(MAIN_LIBRARY), "").unwrap();
        fs::write(folder.join("build-version"), format!("{version}\n")).unwrap();
    }

    #[test]
    fn takes_every_build_of_the_right_version_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        for (version, serves) in [
            ("2.11.0", true),
            ("2.11.0+cu130", true),
            ("2.11.1", false),
            ("2.10.0+cpu", false),
        ] {
            fake_libtorch(temp.path(), version);
            assert_eq!(check(temp.path()).is_ok(), serves, "{version}");
        }
        fake_libtorch(temp.path(), "2.10.0");
        let error = check(temp.path()).unwrap_err().to_string();
        assert_eq!(error, "it holds libtorch 2.10.0, and Vernier needs 2.11.0");
    }

    #[test]
    fn reads_the_version_from_the_header_where_there_is_no_file_for_it() {
        let temp = tempfile::tempdir().unwrap();
        fake_libtorch(temp.path(), VERSION);
        fs::remove_file(temp.path().join("build-version")).unwrap();
        assert!(
            check(temp.path())
                .unwrap_err()
                .to_string()
                .contains("version.h")
        );
        let header = temp.path().join("include/torch/headeronly/version.h");
        fs::create_dir_all(header.parent().unwrap()).unwrap();
        let text = "/// The patch version.\n#define TORCH_VERSION_PATCH 0\n\
            #define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n";
        fs::write(&header, text).unwrap();
        check(temp.path()).unwrap();
        fs::write(&header, text.replace("11", "9")).unwrap();
        assert!(
            check(temp.path())
                .unwrap_err()
                .to_string()
                .contains("2.9.0")
        );
    }

    #[test]
    fn names_the_library_that_is_missing() {
        let temp = tempfile::tempdir().unwrap();
        assert!(
            check(temp.path())
                .unwrap_err()
                .to_string()
                .contains(MAIN_LIBRARY)
        );
        assert!(
            check(Path::new("libtorch"))
                .unwrap_err()
                .to_string()
                .contains("full path")
        );
        assert!(
            check(Path::new(""))
                .unwrap_err()
                .to_string()
                .contains("full path")
        );
    }

    #[test]
    fn links_again_in_one_step_and_tells_the_set() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join(".libtorch");
        for set in [LibtorchSet::Cpu, LibtorchSet::Cuda, LibtorchSet::Cpu] {
            let target = temp.path().join(set.folder_name()).join("torch");
            link(&place, &target).unwrap();
            assert_eq!(fs::read_link(&place).unwrap(), target);
            assert_eq!(set_behind(&place), Some(set));
        }
        link(&place, Path::new("/opt/libtorch/torch")).unwrap();
        assert_eq!(set_behind(&place), None);
        assert_eq!(
            fs::read_dir(temp.path()).unwrap().count(),
            1,
            "nothing is left lying about"
        );
    }

    #[test]
    fn leaves_a_folder_in_the_links_place_alone() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join(".libtorch");
        fs::create_dir(&place).unwrap();
        assert!(
            link(&place, Path::new("/opt"))
                .unwrap_err()
                .to_string()
                .contains("move it away")
        );
        assert!(place.is_dir());
    }

    #[test]
    fn the_wheel_lists_pin_this_version_with_checksums() {
        for set in [LibtorchSet::Cpu, LibtorchSet::Cuda] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(set.wheel_list());
            let text = fs::read_to_string(path).unwrap();
            let wheels: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(wheels[0].starts_with(&format!("torch=={VERSION} ")));
            assert!(
                wheels
                    .iter()
                    .all(|line| line.split("--hash=sha256:").nth(1).unwrap().len() == 64)
            );
        }
    }
}
