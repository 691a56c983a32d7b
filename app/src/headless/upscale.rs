//! `vernier upscale`.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use vernier_engine::EngineError;
use vernier_engine::atomic::{self, Existing};
use vernier_engine::device;
use vernier_engine::picture::{self, Picture};
use vernier_engine::recipe::{SIZE_RANGE_PX, UpscalerUse};
use vernier_engine::render::Flow;
use vernier_engine::upscale::{Upscaler, enlarged};

use super::say;
use crate::assets;
use crate::failure::Failure;

/// How many times larger a picture becomes where neither option says.
const USUAL_FACTOR: f64 = 2.0;

#[derive(Debug, Args)]
pub(super) struct UpscaleArgs {
    /// Pictures to enlarge
    #[arg(value_name = "PICTURE", required = true)]
    pictures: Vec<PathBuf>,
    /// Network that enlarges them, a file of the ESRGAN family or its name in Vernier's data
    /// folder [default: interpolation]
    #[arg(long, value_name = "FILE")]
    upscaler: Option<String>,
    /// How many times wider and higher [default: as the network makes it, 2 without one]
    #[arg(long, value_name = "X")]
    factor: Option<f64>,
    /// Folder for the enlarged pictures; what is there is not overwritten
    #[arg(long, value_name = "DIR", default_value = "renders")]
    out: PathBuf,
    /// Where to compute: auto, cpu or cuda
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
}

/// Enlarges the pictures one after the other, and tells on stdout where each lies.
pub(super) fn run(args: &UpscaleArgs) -> Result<(), Failure> {
    let upscaler = match &args.upscaler {
        Some(name) => {
            let path = assets::upscalers().find(&UpscalerUse::new(name))?;
            let device = device::choose(args.device.parse()?)?;
            Some(Upscaler::open(&path, device.device)?)
        }
        None => None,
    };
    let own = upscaler.as_ref().map(|u| f64::from(u.factor()));
    let factor = args.factor.or(own).unwrap_or(USUAL_FACTOR);
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(Failure::Usage(format!(
            "--factor {factor} is not a number above 0"
        )));
    }
    let bar = progress();
    for path in &args.pictures {
        let picture = picture::read_image(path)?;
        let size = size_of(&picture, factor, path)?;
        let mut on_tile = |done: usize, all: usize| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            Flow::Continue
        };
        let large = enlarged(&picture, size, upscaler.as_ref(), &mut on_tile)?;
        let out = save(&large, path, &args.out)?;
        bar.suspend(|| say(&out.display().to_string()));
    }
    bar.finish_and_clear();
    Ok(())
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} tiles, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn size_of(picture: &Picture, factor: f64, path: &Path) -> Result<(u32, u32), Failure> {
    let larger = |side: u32| (f64::from(side) * factor).round().max(1.0);
    let (width, height) = (larger(picture.width_px), larger(picture.height_px));
    let most = f64::from(*SIZE_RANGE_PX.end()) * 4.0;
    if width > most || height > most {
        return Err(Failure::Usage(format!(
            "{}: {width}x{height} would be larger than {most} pixels a side; give a smaller \
             --factor",
            path.display()
        )));
    }
    Ok((width as u32, height as u32))
}

/// Writes `picture` under the name of the one that it was made from, with its size, and a number
/// where that name is taken.
fn save(picture: &Picture, from: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    let png = picture::to_plain_png(picture)?;
    let stem = from.file_stem().unwrap_or_default().to_string_lossy();
    let size = format!("{}x{}", picture.width_px, picture.height_px);
    let mut path = folder.join(format!("{stem}-{size}.png"));
    for number in 2.. {
        let written = atomic::write(&path, Existing::Keep, |file| {
            file.write_all(&png).map_err(|e| EngineError::io(&path, e))
        })?;
        if written {
            break;
        }
        path = folder.join(format!("{stem}-{size}-{number}.png"));
    }
    Ok(path)
}
