//! The programs that the build and the set-up need from the system.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// Makes sure of a C++ compiler, which libtorch's bindings are compiled with.
pub(crate) fn ensure_cxx() -> Result<()> {
    if has_cxx() {
        return Ok(());
    }
    install(&["g++"]);
    if has_cxx() {
        return Ok(());
    }
    bail!(
        "there is no C++ compiler: install one (Debian, Ubuntu: apt-get install g++; Fedora: dnf \
         install gcc-c++; Arch: pacman -S gcc; macOS: xcode-select --install) and run this again"
    )
}

/// Makes sure of a Python 3 with pip, which downloads the wheels.
pub(crate) fn ensure_pip() -> Result<()> {
    if has_pip() {
        return Ok(());
    }
    install(&["python3-pip"]);
    if has_pip() {
        return Ok(());
    }
    bail!(
        "there is no Python 3 with pip: install it (Debian, Ubuntu: apt-get install python3-pip; \
         Fedora: dnf install python3-pip; Arch: pacman -S python-pip) and run this again"
    )
}

/// What a window needs of the system, beyond a display.
const WINDOW: [&str; 6] = [
    "libvulkan1",
    "libx11-xcb1",
    "libxcursor1",
    "libxi6",
    "libxkbcommon-x11-0",
    "mesa-vulkan-drivers",
];

/// Makes sure of what a window is drawn with, where the system is asked for it by packages; a
/// display and a GPU driver of the user's own are left alone.
pub(crate) fn ensure_window() {
    if cfg!(target_os = "linux") && !has_vulkan() {
        install(&WINDOW);
        if !has_vulkan() {
            eprintln!(
                "There is no Vulkan driver, which the window is drawn with (Debian, Ubuntu: \
                 apt-get install {}).",
                WINDOW.join(" ")
            );
        }
    }
}

/// The same, and a virtual display with a keyboard for tests; without them, those tests are
/// skipped.
pub(crate) fn ensure_virtual_display() {
    ensure_window();
    let has_display = || on_path("Xvfb") && on_path("xdotool");
    if cfg!(target_os = "linux") && !has_display() {
        install(&["xvfb", "xdotool", "libxrandr2"]);
        if !has_display() {
            eprintln!("There is no Xvfb and xdotool: the test with a real window is skipped.");
        }
    }
}

fn has_vulkan() -> bool {
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .any(|mut entries| entries.next().is_some())
}

/// `python3 -m pip`, whatever the user's configuration asks of it: it keeps to the folders that
/// the caller names.
pub(crate) fn pip() -> Command {
    pip_of(Path::new("python3"))
}

/// The pip of another Python.
pub(crate) fn pip_of(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input"])
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_ROOT_USER_ACTION", "ignore");
    pip
}

fn has_cxx() -> bool {
    // A compiler named by CXX may carry arguments; cc reports by itself if it does not work.
    env::var_os("CXX").is_some_and(|name| !name.is_empty()) || cfg!(windows) || on_path("c++")
}

fn has_pip() -> bool {
    let mut pip = pip();
    pip.arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    pip.status().is_ok_and(|status| status.success())
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Installs `packages` where that needs no password: on Debian and its kin, as root or by sudo.
fn install(packages: &[&str]) {
    if !Path::new("/etc/debian_version").exists() || !on_path("apt-get") {
        return;
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if sudo_needs_no_password() {
        &["sudo", "-n"]
    } else {
        return;
    };
    eprintln!("Installing {}", packages.join(" "));
    // A fresh container has no package lists at all.
    let update = ["apt-get", "-qq", "update"].map(str::to_owned);
    let install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends"].map(str::to_owned);
    let install = install
        .into_iter()
        .chain(packages.iter().map(|&name| name.to_owned()));
    for step in [update.into_iter().collect::<Vec<_>>(), install.collect()] {
        let words: Vec<String> = prefix
            .iter()
            .map(|&word| word.to_owned())
            .chain(step)
            .collect();
        // If it fails, apt-get has said why, and the caller says what is missing.
        let _ = Command::new(&words[0])
            .args(&words[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .status();
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn sudo_needs_no_password() -> bool {
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success())
}
