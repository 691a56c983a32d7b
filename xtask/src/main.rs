//! Sets Vernier up, runs it, tests it and measures it. Builds without libtorch.

mod bench;
mod checkout;
mod controls;
mod interrupt;
mod setup;
mod temp_folder;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use bench::BenchArgs;
use checkout::Checkout;
use controls::{ControlsArgs, MeasureArgs};
use interrupt::Interrupted;
use setup::{LibtorchSet, SetupOptions};

/// Sets Vernier up, runs it, tests it and measures it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring libtorch into your cache and link it at .libtorch; does nothing the second time
    Setup(SetupArgs),
    /// Set up, build and run Vernier; without arguments it opens the window, or renders the sample
    /// prompts where there is no display
    Run {
        /// Arguments for `vernier`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Set up and run the tests
    Test {
        /// Unit tests only: no documentation tests, no tests that cross crates
        #[arg(long)]
        fast: bool,
        /// Run only the tests whose name contains this
        filter: Option<String>,
        /// Arguments for the test programs, as after `cargo test --`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Set up, then formatting, lints, documentation and tests, warnings denied
    Ci,
    /// Print our time and memory over Python diffusers'
    Bench(BenchArgs),
    /// Set up and train the embedded model
    TrainMiniature {
        /// Arguments for the training program; try --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Set up and train the controls that come with the embedded model; those that are done are
    /// left alone
    TrainControls(ControlsArgs),
    /// Set up and measure the shipped controls beside words, Concept Sliders and simpler adapters
    MeasureControls(MeasureArgs),
}

#[derive(Debug, Args)]
struct SetupArgs {
    /// Use the CPU set, even where there is an NVIDIA driver
    #[arg(long, conflicts_with = "cuda")]
    cpu: bool,
    /// Use the CUDA set (2.5 GB to download), even where no NVIDIA driver is seen
    #[arg(long)]
    cuda: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl SetupArgs {
    fn options(&self) -> SetupOptions {
        let set = match (self.cpu, self.cuda) {
            (true, _) => Some(LibtorchSet::Cpu),
            (_, true) => Some(LibtorchSet::Cuda),
            _ => None,
        };
        SetupOptions {
            set,
            dry_run: self.dry_run,
        }
    }
}

fn main() -> ExitCode {
    let Err(error) = obey(Cli::parse().command) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error:#}");
    if error.is::<Interrupted>() {
        ExitCode::from(130)
    } else {
        ExitCode::FAILURE
    }
}

fn obey(command: Command) -> Result<()> {
    let checkout = Checkout::find()?;
    match command {
        Command::Setup(args) => {
            println!("{}", setup::set_up(&checkout, args.options())?);
            Ok(())
        }
        Command::Run { args } => {
            set_up_for(&checkout)?;
            if args.is_empty() && has_display() {
                setup::system::ensure_window();
            }
            checkout.run_program("vernier", &args)
        }
        Command::Test { fast, filter, args } => {
            set_up_for(&checkout)?;
            if !fast {
                setup::system::ensure_virtual_display();
            }
            test(&checkout, fast, filter.as_deref(), &args)
        }
        Command::Ci => {
            let mut ci = checkout.command("bash");
            ci.arg(checkout.root().join(".ci").join("run"));
            checkout::become_process(ci)
        }
        Command::Bench(args) => {
            set_up_for(&checkout)?;
            bench::bench(&checkout, args)
        }
        Command::TrainMiniature { args } => {
            set_up_for(&checkout)?;
            checkout.run_program("train-miniature", &args)
        }
        Command::TrainControls(args) => {
            set_up_for(&checkout)?;
            controls::train(&checkout, &args)
        }
        Command::MeasureControls(args) => {
            set_up_for(&checkout)?;
            controls::measure(&checkout, &args)
        }
    }
}

/// The set-up that every other command starts with: silent unless it has something to do.
fn set_up_for(checkout: &Checkout) -> Result<()> {
    setup::set_up(checkout, SetupOptions::default()).map(drop)
}

/// Whether the program would open its window.
fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn test(checkout: &Checkout, fast: bool, filter: Option<&str>, args: &[String]) -> Result<()> {
    let mut cargo = checkout.cargo();
    cargo.args(["test", "--release", "--workspace"]);
    if fast {
        cargo.args(["--lib", "--bins"]);
    }
    cargo.args(filter);
    if !args.is_empty() {
        cargo.arg("--").args(args);
    }
    // Tests run side by side already: libtorch's own threads would only get in each other's way.
    if std::env::var_os("OMP_NUM_THREADS").is_none() {
        cargo.env("OMP_NUM_THREADS", "1");
    }
    checkout::become_process(cargo)
}
