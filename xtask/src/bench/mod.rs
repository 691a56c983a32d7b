//! `cargo xtask bench`: our time and memory over Python diffusers', each for the same work.

mod job;
mod python;
mod table;
mod worker;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::checkout::{self, Checkout};
use crate::interrupt;
use crate::temp_folder::TempFolder;
use job::Job;
use table::{Row, Table, Unit};
use worker::Worker;

const PROMPT: &str = "a smiling old man next to a young woman with red hair";
const STEPS: &str = "20";
const GUIDANCE: &str = "7.5";
const SIZE: &str = "128x128";

/// What to measure, and against which Python.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A Python that has torch 2.11 and diffusers 0.42.1
    #[arg(long, value_name = "PATH", conflicts_with = "make_python")]
    python: Option<PathBuf>,
    /// Make such a Python in the cache with pip (2.7 GB to download, 5 GB on disk)
    #[arg(long)]
    make_python: bool,
    /// The small model, in diffusers layout [default: assets/miniature]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Runs on each side; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measure only this; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Work>,
    /// How the latents and weights of the steps lie in memory, on both sides
    #[arg(long, value_enum, default_value_t = Layout::Contiguous)]
    layout: Layout,
}

/// Memory layouts, as both sides call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// One plane after the other
    Contiguous,
    /// All channels of a pixel side by side
    ChannelsLast,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::Contiguous => "contiguous",
            Self::ChannelsLast => "channels-last",
        }
    }
}

/// The pieces of work that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// A picture of the small model, in a program that is warm
    Picture,
    /// The same picture with process start and model load, and its peak memory
    Job,
    /// A guided step of SD1.5 geometry at 512x512 in fp32, and its peak memory
    StepF32,
    /// The same step in bf16
    StepBf16,
}

/// What both sides are called with.
struct Bench {
    vernier: PathBuf,
    peer: Option<Peer>,
    model: PathBuf,
    temp: TempFolder,
    runs: u32,
    layout: Layout,
}

struct Peer {
    python: PathBuf,
    scripts: PathBuf,
}

/// Measures what `args` ask for and prints the table.
pub(crate) fn bench(checkout: &Checkout, args: BenchArgs) -> Result<()> {
    let model = args
        .model
        .unwrap_or_else(|| checkout.root().join("assets").join("miniature"));
    ensure!(
        model.join("model_index.json").exists(),
        "{} holds no model in diffusers layout: name one with --model",
        model.display()
    );
    interrupt::catch();
    let scripts = checkout.root().join("xtask").join("bench");
    let python = if args.make_python {
        Some(python::make(&scripts)?)
    } else {
        python::find(args.python)?
    };
    if python.is_none() {
        println!(
            "There is no Python with diffusers to measure against, so only our own figures follow: \
             name one with --python PATH, or let --make-python make it."
        );
    }
    checkout.build_program("vernier")?;
    let bench = Bench {
        vernier: checkout::program("vernier")?,
        peer: python.map(|python| Peer { python, scripts }),
        model,
        temp: TempFolder::make(
            env::temp_dir().join(format!("vernier-bench-{}", std::process::id())),
        )?,
        runs: args.runs,
        layout: args.layout,
    };

    warn_when_busy();
    let wants = |work| args.only.is_empty() || args.only.contains(&work);
    let mut table = Table::default();
    if wants(Work::Picture) {
        bench.picture(&mut table)?;
    }
    if wants(Work::Job) {
        bench.job(&mut table)?;
    }
    for (work, dtype) in [(Work::StepF32, "f32"), (Work::StepBf16, "bf16")] {
        if !wants(work) {
            continue;
        }
        match &bench.peer {
            Some(peer) => bench.step(peer, dtype, &mut table)?,
            None => println!("The step in {dtype} is left out: Python makes its random weights."),
        }
    }
    print!("{table}");
    Ok(())
}

impl Bench {
    fn picture(&self, table: &mut Table) -> Result<()> {
        let name = "Picture 128×128, 20 steps, f32, warm";
        let mut ours = self.ours(&["bench", "picture"]);
        let mut sides = vec![Worker::start(add_picture(&mut ours, &self.model))?];
        if let Some(peer) = &self.peer {
            sides.push(Worker::start(add_picture(
                &mut peer.script("picture.py"),
                &self.model,
            ))?);
        }
        let times = self.take_turns(name, &mut sides)?;
        table.add(Row::new(name, Unit::Seconds, &times, 0.7));
        Ok(())
    }

    fn job(&self, table: &mut Table) -> Result<()> {
        let name = "The same, from process start";
        let ours = || {
            // Its events are not looked at: this way it says nothing on stderr but failures.
            let mut command = self.ours(&["render", "--json", "--device", "cpu"]);
            command.arg("--out").arg(self.temp.path().join("pictures"));
            command
        };
        let mut commands: Vec<Box<dyn Fn() -> Command>> = vec![Box::new(ours)];
        if let Some(peer) = &self.peer {
            commands.push(Box::new(|| {
                let mut command = peer.script("picture.py");
                command.arg("--out").arg(self.temp.path().join("peer.png"));
                command
            }));
        }
        let mut times = vec![Vec::new(); commands.len()];
        let mut peaks = times.clone();
        // The first run of each side only brings its files into the page cache.
        for run in 0..=self.runs {
            for (side, command) in commands.iter().enumerate() {
                let mut command = command();
                let job = Job::run(add_picture(&mut command, &self.model).args(["--seed", "0"]))?;
                if run > 0 {
                    say_run(name, run, self.runs, side, job.seconds);
                    times[side].push(job.seconds);
                    peaks[side].extend(job.peak_bytes);
                }
            }
        }
        table.add(Row::new(name, Unit::Seconds, &times, 0.5));
        table.add(Row::new("Its peak memory", Unit::Bytes, &peaks, 0.8));
        Ok(())
    }

    fn step(&self, peer: &Peer, dtype: &str, table: &mut Table) -> Result<()> {
        let layout = self.layout.name();
        let name = format!("SD1.5-geometry step 512×512, {dtype} {layout}");
        let unet = self.temp.path().join("unet");
        if !unet.exists() {
            eprintln!("Writing a U-Net of SD1.5 geometry with random weights (3.4 GB)");
            let mut make = peer.script("make_unet.py");
            make.arg(&unet);
            ensure!(
                interrupt::run(make)?,
                "Python could not write the U-Net (its words are above)"
            );
        }
        let mut sides = Vec::new();
        for mut command in [self.ours(&["bench", "step"]), peer.script("step.py")] {
            command.arg("--unet").arg(&unet);
            command.args(["--dtype", dtype, "--layout", layout]);
            sides.push(Worker::start(&mut command)?);
        }
        let times = self.take_turns(&name, &mut sides)?;
        table.add(Row::new(&name, Unit::Seconds, &times, 1.0));
        let peaks: Vec<_> = sides
            .iter()
            .map(|side| side.peak_bytes().into_iter().collect())
            .collect();
        table.add(Row::new("Its peak memory", Unit::Bytes, &peaks, 0.8));
        Ok(())
    }

    /// Lets the sides run in turn, never two at once: first one run each to warm up, then the
    /// runs that count. Returns the seconds of each side.
    fn take_turns(&self, name: &str, sides: &mut [Worker]) -> Result<Vec<Vec<f64>>> {
        for side in &mut *sides {
            side.turn()?;
        }
        let mut times = vec![Vec::new(); sides.len()];
        for run in 1..=self.runs {
            for (index, side) in sides.iter_mut().enumerate() {
                let seconds = side.turn()?;
                say_run(name, run, self.runs, index, seconds);
                times[index].push(seconds);
            }
        }
        Ok(times)
    }

    fn ours(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.vernier);
        command.args(args);
        command
    }
}

impl Peer {
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(name));
        // Its models are local: it must not wait for a network, and its bars hide our lines.
        for variable in [
            "HF_HUB_OFFLINE",
            "HF_HUB_DISABLE_PROGRESS_BARS",
            "TQDM_DISABLE",
        ] {
            command.env(variable, "1");
        }
        command
            .env("PYTHONWARNINGS", "ignore")
            .env("DIFFUSERS_VERBOSITY", "error")
            .env("TRANSFORMERS_VERBOSITY", "error");
        command
    }
}

/// The picture that both sides render, in options that both know.
fn add_picture<'a>(command: &'a mut Command, model: &Path) -> &'a mut Command {
    command
        .arg("--model")
        .arg(model)
        .args(["--prompt", PROMPT, "--steps", STEPS, "--guidance", GUIDANCE])
        .args(["--size", SIZE, "--dtype", "f32"])
}

/// Other programs at work make every figure doubtful.
fn warn_when_busy() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text
        .split(' ')
        .next()
        .and_then(|word| word.parse::<f64>().ok());
    if let Some(load) = load.filter(|load| *load > 0.5 * cores as f64) {
        println!(
            "The machine is busy (load {load} on {cores} cores): these figures will not hold."
        );
    }
}

fn say_run(name: &str, run: u32, runs: u32, side: usize, seconds: f64) {
    let side = ["ours", "peer"][side];
    eprintln!("{name}: run {run} of {runs}, {side} {seconds:.3} s");
}
