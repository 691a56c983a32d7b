//! Trains the embedded model stage by stage; every stage resumes where it stopped.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tch::{Device, Kind, Tensor};
use vernier_engine::models::clip::{ClipModel, ClipTextModel};
use vernier_engine::models::vae::Vae;
use vernier_engine::train::{AdamW, LearningRate, Replica, StepReport, TrainLoop, TrainOptions};
use vernier_engine::weights::ParamStore;
use vernier_miniature::clip_stage::{ClipTrainer, clip_config};
use vernier_miniature::data::Captioner;
use vernier_miniature::meter::MeterTrainer;
use vernier_miniature::pool::Pool;
use vernier_miniature::unet_stage::{UNetData, UNetTrainer};
use vernier_miniature::vae_stage::{VaeTrainer, reconstruction_psnr, vae_config};
use vernier_miniature::vocabulary::Vocabulary;
use vernier_miniature::{evaluate, export, gate, latents, meter};

/// Trains Vernier's embedded model on its procedural world.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Folder of training states, resumed when they are there.
    #[arg(long, default_value = "training", global = true)]
    work: PathBuf,
    /// Folder that receives the model.
    #[arg(long, default_value = "assets/miniature", global = true)]
    out: PathBuf,
    /// Pairs of pictures in the pool.
    #[arg(long, default_value_t = 20_000, global = true)]
    pairs: u64,
    /// Dtype of the forward and backward passes; masters are fp32.
    #[arg(long, default_value = "bf16", global = true)]
    dtype: Dtype,
    /// Where to train.
    #[arg(long, default_value = "cpu", global = true)]
    device: DeviceChoice,
    #[command(subcommand)]
    stage: Stage,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Dtype {
    F32,
    Bf16,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum DeviceChoice {
    Cpu,
    Cuda,
}

#[derive(Args, Clone)]
struct Schedule {
    /// All steps, earlier runs included.
    #[arg(long)]
    steps: u64,
    /// Data-parallel workers, one thread each on a CPU.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Pictures (or pairs, or crops) a worker takes each step.
    #[arg(long)]
    batch: Option<usize>,
    /// Peak learning rate.
    #[arg(long)]
    lr: Option<f64>,
    /// Fraction of all steps over which the learning rate falls to zero at the end.
    #[arg(long, default_value_t = 0.4)]
    decay: f64,
}

#[derive(Subcommand)]
enum Stage {
    /// Draws the pool of pictures and writes the tokenizer.
    Pool,
    /// Trains both CLIP towers.
    Clip(Schedule),
    /// Measures what the text tower carries; fails where an attribute is lost.
    Gate,
    /// Trains the autoencoder.
    Vae(Schedule),
    /// Standardises and exports the autoencoder, then encodes the pool.
    Encode,
    /// Trains the U-Net.
    Unet(Schedule),
    /// Trains the attribute meter.
    Meter(Schedule),
    /// Measures the exported model on held-out prompts.
    Evaluate(evaluate::Options),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    std::fs::create_dir_all(&cli.work).with_context(|| format!("creating {}", cli.work.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst))?;
    let run = Run { kind: cli.kind(), device: cli.device()?, stop, cli };
    match &run.cli.stage {
        Stage::Pool => run.pool(),
        Stage::Clip(schedule) => run.clip(schedule),
        Stage::Gate => run.gate(),
        Stage::Vae(schedule) => run.vae(schedule),
        Stage::Encode => run.encode(),
        Stage::Unet(schedule) => run.unet(schedule),
        Stage::Meter(schedule) => run.meter(schedule),
        Stage::Evaluate(options) => evaluate::run(&run.cli.out, options, run.device),
    }
}

impl Cli {
    fn kind(&self) -> Kind {
        match self.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
        }
    }

    fn device(&self) -> Result<Device> {
        match self.device {
            DeviceChoice::Cpu => Ok(Device::Cpu),
            DeviceChoice::Cuda if tch::Cuda::is_available() => Ok(Device::Cuda(0)),
            DeviceChoice::Cuda => bail!("--device cuda: libtorch sees no CUDA device; use --device cpu"),
        }
    }
}

struct Run {
    cli: Cli,
    kind: Kind,
    device: Device,
    stop: Arc<AtomicBool>,
}

impl Run {
    fn tokenizer(&self) -> PathBuf {
        self.cli.out.join("tokenizer")
    }

    fn open_pool(&self) -> Result<Pool> {
        Pool::open(&self.cli.work.join("pool.rgb"), 0, self.cli.pairs)
    }

    fn pool(&self) -> Result<()> {
        Vocabulary::of_the_world().save(&self.tokenizer())?;
        let bar = progress(self.cli.pairs, "pairs");
        Pool::draw(&self.cli.work.join("pool.rgb"), 0, self.cli.pairs, |done| bar.set_position(done))?;
        bar.finish();
        Ok(())
    }

    fn train<R: Replica + Send>(
        &self,
        name: &str,
        schedule: &Schedule,
        lr: f64,
        optimizer: AdamW,
        build: impl Fn(usize) -> vernier_engine::Result<R>,
    ) -> Result<Vec<(String, Tensor)>> {
        if self.device == Device::Cpu {
            tch::set_num_threads(1);
        }
        let options = TrainOptions {
            workers: if self.device == Device::Cpu { schedule.workers } else { 1 },
            optimizer,
            learning_rate: LearningRate {
                peak: schedule.lr.unwrap_or(lr),
                warmup_steps: 100,
                total_steps: schedule.steps,
                decay_fraction: schedule.decay,
            },
            state_file: self.cli.work.join(format!("{name}.safetensors")),
            save_every: Duration::from_secs(120),
            report_every: Duration::from_secs(15),
        };
        let report = |report: &StepReport| {
            let figures: Vec<String> =
                report.figures.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
            println!(
                "{name} {}/{} {:.2} it/s {}",
                report.step,
                report.total_steps,
                report.steps_per_sec,
                figures.join(" ")
            );
        };
        Ok(TrainLoop::new(options, Arc::clone(&self.stop)).run(build, report)?)
    }

    fn clip(&self, schedule: &Schedule) -> Result<()> {
        let pool = self.open_pool()?;
        let tokenizer = self.tokenizer();
        let pairs = schedule.batch.unwrap_or(96);
        let tensors = self.train("clip", schedule, 1e-3, AdamW { ema_decay: 0.998, beta2: 0.98, weight_decay: 0.05, ..AdamW::default() }, |worker| {
            ClipTrainer::new(&tokenizer, pool.share(), pairs, worker, self.kind, self.device)
                .map_err(engine_error)
        })?;
        let vocab_size = Captioner::open(&tokenizer)?.vocab_size();
        export::clip(&self.cli.out, &tensors, vocab_size)?;
        self.gate()
    }

    fn text_tower(&self, kind: Kind) -> Result<(ClipTextModel, Captioner)> {
        let captioner = Captioner::open(&self.tokenizer())?;
        let file = self.cli.out.join("clip/model.safetensors");
        let store = ParamStore::open(&[file], kind, self.device)?;
        let model = ClipModel::new(&store.root(), &clip_config(captioner.vocab_size())?)?;
        store.finish()?;
        Ok((model.text, captioner))
    }

    fn gate(&self) -> Result<()> {
        let (text, captioner) = self.text_tower(Kind::Float)?;
        let report = gate::measure(&text, &captioner, 64, self.device)?;
        println!("{}", report.markdown());
        ensure!(report.passes(), "the text tower does not carry every attribute: train it further before the U-Net");
        Ok(())
    }

    fn vae(&self, schedule: &Schedule) -> Result<()> {
        let pool = self.open_pool()?;
        let crops = schedule.batch.unwrap_or(16);
        // The last sixth sees whole pictures, so that norms and edges fit what rendering decodes.
        let whole_from = schedule.steps - schedule.steps / 6;
        let tensors = self.train("vae", schedule, 1.5e-3, AdamW { ema_decay: 0.995, weight_decay: 0.0, ..AdamW::default() }, |_| {
            VaeTrainer::new(pool.share(), crops, whole_from, self.kind, self.device).map_err(engine_error)
        })?;
        export::vae(&self.cli.out, &tensors)?;
        self.report_psnr(&self.open_vae(Kind::Float)?)
    }

    fn open_vae(&self, kind: Kind) -> Result<Vae> {
        let file = self.cli.out.join("vae/diffusion_pytorch_model.safetensors");
        let store = ParamStore::open(&[file], kind, self.device)?;
        let vae = Vae::new(&store.root(), &vae_config()?)?;
        store.finish()?;
        Ok(vae)
    }

    fn report_psnr(&self, vae: &Vae) -> Result<()> {
        let pictures = evaluate::held_out_pictures(200)?.f_to_device(self.device)?;
        let psnr = reconstruction_psnr(vae, &pictures)?;
        println!("autoencoder: {psnr:.2} dB on 200 held-out pictures");
        Ok(())
    }

    fn encode(&self) -> Result<()> {
        let pool = self.open_pool()?;
        let file = self.cli.out.join("vae/diffusion_pytorch_model.safetensors");
        let store = ParamStore::open(&[file], Kind::Float, self.device)?;
        let vae = Vae::new(&store.root(), &vae_config()?)?;
        store.finish()?;
        let sample: Vec<usize> = (0..pool.len()).step_by((pool.len() / 512).max(1)).collect();
        let (mean, deviation) = {
            let _guard = tch::no_grad_guard();
            let posterior = vae.encode(&pool.pictures(&sample)?.f_to_device(self.device)?)?;
            let latents = posterior.mean().f_to_kind(Kind::Double)?;
            let dims = [0_i64, 2, 3];
            (
                latents.f_mean_dim(dims.as_slice(), false, Kind::Double)?,
                latents.f_std_dim(dims.as_slice(), true, false)?,
            )
        };
        let mut tensors = store.named();
        export::standardise_latents(&mut tensors, &mean, &deviation)?;
        export::vae(&self.cli.out, &tensors)?;
        self.report_psnr(&self.open_vae(Kind::Float)?)?;
        let bar = progress(pool.len() as u64, "pictures");
        let path = self.cli.work.join("latents.safetensors");
        latents::encode_pool(&self.open_vae(self.kind)?, &pool, &path, self.kind, self.device, |n| {
            bar.set_position(n as u64);
        })?;
        bar.finish();
        Ok(())
    }

    fn unet(&self, schedule: &Schedule) -> Result<()> {
        self.gate()?;
        let pool = self.open_pool()?;
        let stored = latents::read(&self.cli.work.join("latents.safetensors"))?;
        ensure!(stored.size()[0] as usize == pool.len(), "the stored latents belong to another pool; run the stage encode again");
        let batch = schedule.batch.unwrap_or(32);
        let tensors = self.train("unet", schedule, 6e-4, AdamW::default(), |_| {
            let (text, captioner) = self.text_tower(self.kind).map_err(engine_error)?;
            let data = UNetData { pool: pool.share(), latents: stored.shallow_clone(), text, captioner };
            UNetTrainer::new(data, batch, self.kind, self.device).map_err(engine_error)
        })?;
        export::unet(&self.cli.out, &tensors)
    }

    fn meter(&self, schedule: &Schedule) -> Result<()> {
        let pool = self.open_pool()?;
        let batch = schedule.batch.unwrap_or(64);
        let has_vae = self.cli.out.join("vae/diffusion_pytorch_model.safetensors").exists();
        let tensors = self.train("meter", schedule, 2e-3, AdamW { ema_decay: 0.995, ..AdamW::default() }, |_| {
            let vae = if has_vae { Some(self.open_vae(Kind::Float).map_err(engine_error)?) } else { None };
            MeterTrainer::new(pool.share(), vae, batch, self.kind, self.device)
        })?;
        let folder = self.cli.out.join("meter");
        meter::export(&folder, &tensors)?;
        evaluate::meter_on_truth(&folder, 500, self.device)
    }
}

/// The training loop speaks the engine's error type.
fn engine_error(error: anyhow::Error) -> vernier_engine::EngineError {
    vernier_engine::EngineError::request("training", format!("{error:#}"))
}

fn progress(total: u64, what: &'static str) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} {msg} {per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(what)
}
