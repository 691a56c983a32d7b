//! The two halves of classifier-free guidance: one call under the prompt, one under the negative
//! prompt.
//!
//! They know nothing of each other, so on a CPU each runs on its own thread with its own half of
//! the cores: two calls that never wait for each other beat one call of batch 2, whose every
//! operation ends with all cores waiting for the slowest.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tch::{Device, Kind, Tensor};

use crate::layers::{AttentionHook, LayerRef, LowRankBranch};
use crate::models::unet::{TextContext, UNet, UNetConfig};
use crate::weights::ParamStore;
use crate::{EngineError, Result};

/// A U-Net that predicts with and without the prompt.
pub struct Halves {
    unet: UNet,
    aside: Option<Aside>,
    kind: Kind,
    device: Device,
}

/// What [`Halves::attach`] asks for each layer: its name in Python diffusers and the layer.
pub type BranchFor<'a> = dyn FnMut(&str, LayerRef<'_>) -> Result<Option<LowRankBranch>> + 'a;

impl Halves {
    /// The U-Net that `config` describes, with the parameters of `store`.
    ///
    /// # Errors
    /// As [`UNet::new`].
    pub fn new(store: &ParamStore, config: &UNetConfig, kind: Kind, device: Device) -> Result<Self> {
        let unet = UNet::new(&store.root(), config)?;
        let aside = if device == Device::Cpu {
            let replica = UNet::new(&ParamStore::sharing(store).root(), config)?;
            Some(Aside::start(replica)?)
        } else {
            None
        };
        Ok(Self {
            unet,
            aside,
            kind,
            device,
        })
    }

    /// The U-Net. Branches that are to be in force for both halves go through [`Self::attach`].
    pub fn unet(&self) -> &UNet {
        &self.unet
    }

    /// The model outputs in fp32 under `positive` and, where there is one, under `negative`; both
    /// are contexts of batch 1. `input` is `[1, in_channels, h, w]`, the outputs
    /// `[1, out_channels, h, w]`.
    ///
    /// `hook` sees the positive half alone.
    ///
    /// # Errors
    /// As [`UNet::forward`].
    pub fn predict(
        &mut self,
        input: &Tensor,
        timestep: f64,
        positive: &TextContext,
        negative: Option<&TextContext>,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let input = input.f_to_kind(self.kind)?;
        let Some(negative) = negative else {
            let output = call(&self.unet, &input, timestep, positive, hook)?;
            return Ok((output, None));
        };
        let mode = std::env::var("HALVES").unwrap_or_default();
        let cores = tch::get_num_threads();
        match &mut self.aside {
            Some(aside) if mode == "par" => {
                let at_once = Threads::share(cores - cores / 2);
                let job = Job {
                    replica: aside.home.take().ok_or_else(lost)?,
                    input: input.shallow_clone(),
                    timestep,
                    text: negative.shallow_clone(),
                    threads: cores / 2,
                };
                aside.jobs.send(job).map_err(|_| lost())?;
                let positive = call(&self.unet, &input, timestep, positive, hook);
                let done = aside.done.recv().map_err(|_| lost())?;
                drop(at_once);
                aside.home = Some(done.replica);
                Ok((positive?, Some(done.output?)))
            }
            _ if mode == "seq" => {
                let positive = call(&self.unet, &input, timestep, positive, hook)?;
                let negative = call(&self.unet, &input, timestep, negative, None)?;
                Ok((positive, Some(negative)))
            }
            _ => {
                let both = TextContext::cat(&[negative, positive])?;
                let twice = Tensor::f_cat(&[&input, &input], 0)?;
                let output = call(&self.unet, &twice, timestep, &both, None)?;
                Ok((output.f_narrow(0, 1, 1)?, Some(output.f_narrow(0, 0, 1)?)))
            }
        }
    }
}

fn call(
    unet: &UNet,
    input: &Tensor,
    timestep: f64,
    text: &TextContext,
    hook: Option<&mut dyn AttentionHook>,
) -> Result<Tensor> {
    let batch = input.size()[0];
    let timesteps = Tensor::f_full([batch], timestep, (Kind::Float, input.device()))?;
    let output = unet.forward(input, &timesteps, text, None, hook)?;
    Ok(output.f_to_kind(Kind::Float)?)
}

fn lost() -> EngineError {
    EngineError::request("guidance", "its second thread is gone; render again and report this")
}

/// The thread that computes the negative half, and the replica that it computes with.
struct Aside {
    /// Absent only while the thread has it.
    home: Option<Box<UNet>>,
    jobs: SyncSender<Job>,
    done: Receiver<Done>,
}

struct Job {
    replica: Box<UNet>,
    input: Tensor,
    timestep: f64,
    text: TextContext,
    threads: i32,
}

struct Done {
    replica: Box<UNet>,
    output: Result<Tensor>,
}

impl Aside {
    fn start(replica: UNet) -> Result<Self> {
        let (jobs, todo) = sync_channel::<Job>(1);
        let (finished, done) = sync_channel(1);
        thread::Builder::new()
            .name("vernier-negative".to_owned())
            .spawn(move || {
                let _guard = tch::no_grad_guard();
                for job in todo {
                    if tch::get_num_threads() != job.threads {
                        tch::set_num_threads(job.threads);
                    }
                    let output = call(&job.replica, &job.input, job.timestep, &job.text, None);
                    let done = Done {
                        replica: job.replica,
                        output,
                    };
                    if finished.send(done).is_err() {
                        return;
                    }
                }
            })
            .map_err(|e| EngineError::request("guidance", format!("cannot start a thread: {e}")))?;
        Ok(Self {
            home: Some(Box::new(replica)),
            jobs,
            done,
        })
    }
}

/// Gives this thread fewer cores for a while.
struct Threads {
    before: i32,
}

impl Threads {
    fn share(threads: i32) -> Self {
        let before = tch::get_num_threads();
        if before != threads {
            tch::set_num_threads(threads);
        }
        Self { before }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}
