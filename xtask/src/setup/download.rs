//! Libtorch from the Python wheels that carry it, into the cache.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::libtorch::{self, LibtorchSet, VERSION};
use super::{lock_cache, system};
use crate::interrupt;
use crate::temp_folder::TempFolder;

/// The wheels' platform tags. pip does not take an older manylinux for a newer one by itself.
const PLATFORMS: [&str; 9] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_25_x86_64",
    "manylinux_2_18_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux2010_x86_64",
    "manylinux_2_5_x86_64",
];

/// What only the CUDA set needs of `torch/lib`; the rest of libtorch runs without these.
const CUDA_ONLY: [&str; 5] = [
    "libtorch_cuda.so",
    "libtorch_cuda_linalg.so",
    "libtorch_nvshmem.so",
    "libc10_cuda.so",
    "libcaffe2_nvrtc.so",
];

/// Downloads `set` with pip, checksums compared, and puts it at `folder` all at once.
///
/// `lists` is the folder with the wheel lists. Whatever happens on the way, `folder` is either
/// complete or not there.
pub(crate) fn into_cache(folder: &Path, set: LibtorchSet, lists: &Path) -> Result<()> {
    ensure!(
        cfg!(all(
            target_os = "linux",
            target_arch = "x86_64",
            target_env = "gnu"
        )),
        "set-up can bring libtorch for Linux on x86-64 with glibc only; elsewhere get libtorch \
         {VERSION} yourself and set LIBTORCH to the folder that holds its lib/ and include/"
    );
    let cache = folder.parent().context("the cache has no folder")?;
    let _lock = lock_cache(cache)?;
    if libtorch::check(&folder.join("torch")).is_ok() {
        return Ok(()); // Another set-up has brought it while we waited.
    }
    system::ensure_pip()?;

    eprintln!(
        "Bringing libtorch {VERSION} ({set} set, {}) to {}",
        set.size(),
        folder.display()
    );
    // Under the lock nobody else uses it: what is there is left over from a run that was killed.
    let partial = TempFolder::make(cache.join(format!(".partial-{}", set.folder_name())))?;
    let unpacked = partial.path().join("unpacked");
    let temp = partial.path().join("temp");
    fs::create_dir(&temp).with_context(|| format!("cannot make the folder {}", temp.display()))?;
    pip_install(&lists.join(set.wheel_list()), &unpacked, &temp)?;
    prune(&unpacked, set)?;
    let torch = unpacked.join("torch");
    let version = torch.join("build-version");
    fs::write(&version, VERSION).with_context(|| format!("cannot write {}", version.display()))?;
    libtorch::check(&torch).context("the download does not hold what it should")?;

    // What is at `folder` now, if anything, has failed its check.
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove the broken folder {}", folder.display()))?;
    }
    fs::rename(&unpacked, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Lets pip download the wheels of `list`, compare their checksums and unpack them to `target`.
fn pip_install(list: &Path, target: &Path, temp: &Path) -> Result<()> {
    let mut pip = system::pip();
    pip.args([
        "install",
        "--no-deps",
        "--no-compile",
        "--no-cache-dir",
        "--require-hashes",
    ])
    .args([
        "--only-binary=:all:",
        "--implementation=cp",
        "--python-version=3.11",
    ])
    .args(PLATFORMS.map(|tag| format!("--platform={tag}")))
    .arg("--target")
    .arg(target)
    .arg("--requirement")
    .arg(list)
    // pip unpacks there first: on the same disk as the cache, and gone with it.
    .env("TMPDIR", temp);
    ensure!(
        interrupt::run(pip)?,
        "pip could not bring libtorch (its own words are above); run this again when the network \
         is back, or set LIBTORCH to a folder with libtorch {VERSION}"
    );
    Ok(())
}

/// Removes what only Python needs, and CUDA's part from the CPU set. Licences stay.
///
/// `libtorch.so` does nothing but name the other libraries, `libtorch_cuda.so` among them. Some
/// linkers keep it, and the program would then not start without CUDA; in the CPU set a linker
/// script takes its place.
fn prune(unpacked: &Path, set: LibtorchSet) -> Result<()> {
    let torch = unpacked.join("torch");
    let lib = torch.join("lib");
    remove_except(unpacked, |name| {
        matches!(name, "torch" | "nvidia") || name.ends_with(".dist-info")
    })?;
    remove_except(&torch, |name| matches!(name, "lib" | "include"))?;
    let needs_cuda = |name: &str| CUDA_ONLY.contains(&name) || name == "libtorch.so";
    remove_except(&lib, |name| {
        let serves = name.contains(".so") && name != "libtorch_python.so";
        serves && (set == LibtorchSet::Cuda || !needs_cuda(name))
    })?;
    if set == LibtorchSet::Cpu {
        let script = lib.join("libtorch.so");
        fs::write(&script, "INPUT(-ltorch_cpu)\n")
            .with_context(|| format!("cannot write {}", script.display()))?;
    }
    Ok(())
}

fn remove_except(folder: &Path, keep: impl Fn(&str) -> bool) -> Result<()> {
    let cannot = || format!("cannot tidy {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        if keep(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let is_folder = entry.file_type().with_context(cannot)?.is_dir();
        let path = entry.path();
        let removed = if is_folder {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        removed.with_context(cannot)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn files_after_prune(set: LibtorchSet) -> BTreeSet<String> {
        let temp = tempfile::tempdir().unwrap();
        for file in [
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libgomp.so.1",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch_python.so",
            "torch/lib/libshm/manager",
            "torch/include/torch/script.h",
            "torch/nn/modules.py",
            "torch/__init__.py",
            "torch-2.11.0.dist-info/licenses/LICENSE",
            "nvidia/cu13/lib/libcudart.so.13",
            "torchgen/model.py",
        ] {
            let path = temp.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        prune(temp.path(), set).unwrap();
        let mut left = BTreeSet::new();
        let mut folders = vec![temp.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    left.insert(
                        path.strip_prefix(temp.path())
                            .unwrap()
                            .display()
                            .to_string(),
                    );
                }
            }
        }
        left
    }

    #[test]
    fn prune_leaves_headers_libraries_and_licences() {
        let cpu = [
            "nvidia/cu13/lib/libcudart.so.13",
            "torch-2.11.0.dist-info/licenses/LICENSE",
            "torch/include/torch/script.h",
            "torch/lib/libgomp.so.1",
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_cpu.so",
        ];
        let mut expected: BTreeSet<String> = cpu.map(str::to_owned).into();
        assert_eq!(files_after_prune(LibtorchSet::Cpu), expected);
        expected.insert("torch/lib/libtorch_cuda.so".to_owned());
        assert_eq!(files_after_prune(LibtorchSet::Cuda), expected);
    }
}
