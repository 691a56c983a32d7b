//! Device, dtype and thread choice.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tch::{Cuda, Device, Kind};

use crate::{EngineError, Result};

/// Dtype of the U-Net and the text encoder. The VAE and the sampler always compute in fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// Brain floats: 8 bits of exponent, 7 of fraction.
    Bf16,
    /// Half precision, on CUDA only.
    F16,
}

impl Dtype {
    /// libtorch's name of it.
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::F16 => Kind::Half,
        }
    }

    /// The name as it stands in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Fails where `device` cannot compute in this dtype.
    ///
    /// # Errors
    /// [`EngineError::Request`] for half precision on the CPU.
    pub fn check_on(self, device: Device) -> Result<()> {
        if self == Self::F16 && !device.is_cuda() {
            return Err(EngineError::request(
                "dtype",
                "f16 needs a CUDA device; on the CPU use bf16 or f32",
            ));
        }
        Ok(())
    }
}

impl FromStr for Dtype {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            _ => Err(EngineError::request(
                "dtype",
                format!("\"{name}\" is not one of f32, bf16, f16"),
            )),
        }
    }
}

/// Where the artist wants the work done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// CUDA where there is one, the CPU otherwise.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl FromStr for DeviceRequest {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let bad = || {
            EngineError::request(
                "device",
                format!("\"{name}\" is not one of auto, cpu, cuda, cuda:0, cuda:1, …"),
            )
        };
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = name.strip_prefix("cuda:").ok_or_else(bad)?;
                number.parse().map(Self::Cuda).map_err(|_| bad())
            }
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// The device that was chosen, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenDevice {
    /// Where tensors live.
    pub device: Device,
    /// Half a sentence for the log, such as `no NVIDIA driver`.
    pub reason: String,
}

impl ChosenDevice {
    /// The name as it stands on the command line: `cpu` or `cuda:0`.
    pub fn name(&self) -> String {
        match self.device {
            Device::Cuda(number) => format!("cuda:{number}"),
            _ => "cpu".to_owned(),
        }
    }
}

/// Chooses a device; must come before the first tensor, so that CUDA kernels register in time.
///
/// # Errors
/// [`EngineError::Request`] where CUDA was asked for by name and cannot be had, with the reason.
pub fn choose(request: DeviceRequest) -> Result<ChosenDevice> {
    let chosen = |device, reason: &str| ChosenDevice {
        device,
        reason: reason.to_owned(),
    };
    if request == DeviceRequest::Cpu {
        return Ok(chosen(Device::Cpu, "as asked"));
    }
    let count = cuda_devices();
    match (request, count) {
        (DeviceRequest::Cuda(number), Ok(count)) if number < count => {
            Ok(chosen(Device::Cuda(number), "as asked"))
        }
        (DeviceRequest::Cuda(number), Ok(count)) => Err(EngineError::request(
            "device",
            format!("cuda:{number} is not there; this machine has {count} CUDA device(s)"),
        )),
        (DeviceRequest::Cuda(_), Err(reason)) => Err(EngineError::request(
            "device",
            format!("CUDA cannot be used: {reason}; use --device cpu"),
        )),
        (_, Ok(_)) => Ok(chosen(Device::Cuda(0), "CUDA is there")),
        (_, Err(reason)) => Ok(chosen(Device::Cpu, &reason)),
    }
}

/// How many CUDA devices can be used, or why none can.
fn cuda_devices() -> Result<usize, String> {
    static FOUND: OnceLock<Result<usize, String>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let folder = libtorch_folder().ok_or("libtorch's folder is unknown")?;
            open_cuda(&folder)?;
            match Cuda::device_count() {
                count if count > 0 && Cuda::is_available() => Ok(count as usize),
                _ => Err("the NVIDIA driver shows no usable device".to_owned()),
            }
        })
        .clone()
}

/// The linker leaves `libtorch_cuda` out, because no symbol of it is used by name; opening it
/// registers its kernels.
fn open_cuda(folder: &Path) -> Result<(), String> {
    let path = folder.join("libtorch_cuda.so");
    if !path.exists() {
        return Err("no libtorch_cuda.so beside libtorch".to_owned());
    }
    // The driver's own library is small and there with every driver: ask it before opening a
    // gigabyte of kernels.
    open_globally(Path::new("libcuda.so.1")).map_err(|_| "no NVIDIA driver")?;
    open_globally(&path)
}

/// Opens a library for good, its symbols visible to all others.
#[cfg(unix)]
fn open_globally(path: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: libtorch's own library and the driver's; their initialisers only register things.
    match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            // What was registered points into the library, so it must never be closed.
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => {
            let detail = std::error::Error::source(&error).map(ToString::to_string);
            Err(format!(
                "{} cannot be opened: {}",
                path.display(),
                detail.unwrap_or_else(|| error.to_string())
            ))
        }
    }
}

#[cfg(not(unix))]
fn open_globally(_: &Path) -> Result<(), String> {
    Err("CUDA is only looked for on Linux".to_owned())
}

/// The folder that `libtorch_cpu` was loaded from, according to the process's memory map.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    folder_in_maps(&maps)
}

fn folder_in_maps(maps: &str) -> Option<PathBuf> {
    let line = maps.lines().find(|l| l.contains("/libtorch_cpu.so"))?;
    let path = Path::new(&line[line.find('/')?..]);
    path.parent().map(Path::to_owned)
}

/// Memory that programs can have without swapping, in bytes; `None` where the system does not tell.
pub fn free_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Gives libtorch as many threads as there are physical cores, unless `OMP_NUM_THREADS` says
/// otherwise: two threads on one core only fight for its vector unit.
pub fn use_all_cores() {
    if std::env::var_os("OMP_NUM_THREADS").is_none() {
        tch::set_num_threads(cores() as i32);
    }
}

/// Physical cores that this process may use, 1 or more.
pub fn cores() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    physical_cores(Path::new("/sys/devices/system/cpu"))
        .map_or(allowed, |cores| cores.min(allowed))
        .max(1)
}

/// Counts groups of hyper-threads under Linux's `sysfs`.
fn physical_cores(cpus: &Path) -> Option<usize> {
    let mut groups = BTreeSet::new();
    for entry in std::fs::read_dir(cpus).ok()?.flatten() {
        let siblings = entry.path().join("topology/thread_siblings_list");
        if let Ok(list) = std::fs::read_to_string(siblings) {
            groups.insert(list.trim().to_owned());
        }
    }
    (!groups.is_empty()).then_some(groups.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        assert_eq!(
            "auto".parse::<DeviceRequest>().unwrap(),
            DeviceRequest::Auto
        );
        assert_eq!(
            "cuda:3".parse::<DeviceRequest>().unwrap(),
            DeviceRequest::Cuda(3)
        );
        for bad in ["", "gpu", "cuda:", "cuda:-1", "cuda:x"] {
            let said = bad.parse::<DeviceRequest>().unwrap_err().to_string();
            assert!(said.starts_with("device: "), "{said}");
        }
    }

    #[test]
    fn the_folder_of_libtorch_is_read_from_the_memory_map() {
        let maps = "7f00-7f01 r-xp 0 08:01 1   /usr/lib/libc.so.6\n\
                    7f02-7f03 r-xp 0 08:01 2   /opt/a folder/lib/libtorch_cpu.so\n";
        assert_eq!(
            folder_in_maps(maps).unwrap(),
            Path::new("/opt/a folder/lib")
        );
        assert_eq!(folder_in_maps(""), None);
    }

    #[test]
    fn an_absent_cuda_library_is_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            open_cuda(folder.path()),
            Err("no libtorch_cuda.so beside libtorch".to_owned())
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_library_that_cannot_be_opened_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libbroken.so");
        std::fs::write(&path, "not a library").unwrap();
        let said = open_globally(&path).unwrap_err();
        assert!(said.contains("libbroken.so cannot be opened: "), "{said}");
    }

    #[test]
    fn hyper_threads_count_once() {
        let folder = tempfile::tempdir().unwrap();
        for (cpu, siblings) in [(0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")] {
            let topology = folder.path().join(format!("cpu{cpu}/topology"));
            std::fs::create_dir_all(&topology).unwrap();
            std::fs::write(topology.join("thread_siblings_list"), siblings).unwrap();
        }
        assert_eq!(physical_cores(folder.path()), Some(2));
        assert_eq!(physical_cores(&folder.path().join("none")), None);
    }

    #[test]
    fn half_precision_needs_cuda() {
        assert!(Dtype::F16.check_on(Device::Cpu).unwrap_err().is_usage());
        Dtype::F16.check_on(Device::Cuda(0)).unwrap();
        Dtype::Bf16.check_on(Device::Cpu).unwrap();
    }
}
