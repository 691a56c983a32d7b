//! The two halves of classifier-free guidance: one call under the prompt, one under the negative
//! prompt.
//!
//! They know nothing of each other, so on a CPU each has a thread and half of the cores to itself.
//! Two calls that never wait for each other beat one call of batch 2, which waits at the end of
//! each of its thousand operations for the slowest core.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use tch::{Device, Kind, Tensor};

use crate::layers::AttentionHook;
use crate::models::unet::{TextContext, UNet, UNetConfig};
use crate::weights::ParamStore;
use crate::{EngineError, Result};

/// A U-Net that predicts with and without the prompt.
pub(super) struct Halves {
    unet: UNet,
    /// On a CPU.
    aside: Option<Aside>,
}

/// What one call has to know beside the U-Net and the text.
struct Call {
    /// `[batch, in_channels, h, w]` in the U-Net's dtype.
    input: Tensor,
    timestep: f64,
}

impl Halves {
    /// The U-Net that `config` describes, with all parameters of `store`.
    ///
    /// # Errors
    /// As [`UNet::new`]; or the system has no thread to give.
    pub(super) fn new(store: &ParamStore, config: &UNetConfig) -> Result<Self> {
        let unet = UNet::new(&store.root(), config)?;
        let aside = if unet.options().1 == Device::Cpu {
            let replica = UNet::new(&ParamStore::sharing(store).root(), config)?;
            Some(Aside::start(replica)?)
        } else {
            None
        };
        Ok(Self { unet, aside })
    }

    /// The U-Net, to be looked at and to make text contexts with; what changes it goes through
    /// [`Self::attach`].
    pub(super) fn unet(&self) -> &UNet {
        &self.unet
    }

    /// Does `attach`, which adds low-rank branches, to the U-Net of each half. Their weights are
    /// the same tensors, which `attach` must leave alone.
    ///
    /// # Errors
    /// Those of `attach`.
    pub(super) fn attach(&self, mut attach: impl FnMut(&UNet) -> Result<()>) -> Result<()> {
        attach(&self.unet)?;
        match self.aside.as_ref().and_then(|aside| aside.replica.as_ref()) {
            Some(replica) => attach(replica),
            None => Ok(()),
        }
    }

    /// The model outputs in fp32, `[1, out_channels, h, w]`, under `positive` and, where there is
    /// one, under `negative`. Both are contexts of batch 1, and `input` is `[1, in_channels, h, w]`.
    ///
    /// `hook` sees the positive half alone. Gradients flow to `input` where it wants them.
    ///
    /// # Errors
    /// As [`UNet::forward`].
    pub(super) fn predict(
        &mut self,
        input: &Tensor,
        timestep: f64,
        positive: &TextContext,
        negative: Option<&TextContext>,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let call = Call {
            input: input.f_to_kind(self.unet.options().0)?,
            timestep,
        };
        let Some(negative) = negative else {
            return Ok((call.run(&self.unet, positive, hook)?, None));
        };
        let cores = tch::get_num_threads();
        // The other thread records no gradients.
        if let Some(aside) = self.aside.as_mut()
            && cores > 1
            && !call.input.requires_grad()
        {
            let own = CoresInUse::set(cores - cores / 2);
            aside.begin(&call, negative, cores / 2);
            let positive = call.run(&self.unet, positive, hook);
            let negative = aside.end();
            drop(own);
            return Ok((positive?, Some(negative?)));
        }
        let both = match hook {
            None => negative.beside(positive)?,
            Some(_) => None,
        };
        if let Some(both) = both {
            let twice = Call {
                input: Tensor::f_cat(&[&call.input, &call.input], 0)?,
                ..call
            };
            let outputs = twice.run(&self.unet, &both, None)?;
            let half = |index| outputs.f_narrow(0, index, 1);
            return Ok((half(1)?, Some(half(0)?)));
        }
        let negative = call.run(&self.unet, negative, None)?;
        Ok((call.run(&self.unet, positive, hook)?, Some(negative)))
    }
}

impl Call {
    fn run(
        &self,
        unet: &UNet,
        text: &TextContext,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let options = (Kind::Float, self.input.device());
        let timesteps = Tensor::f_full([self.input.size()[0]], self.timestep, options)?;
        let output = unet.forward(&self.input, &timesteps, text, None, hook)?;
        Ok(output.f_to_kind(Kind::Float)?)
    }
}

/// The thread of the negative half.
struct Aside {
    /// The U-Net that it computes with, whose layers only one thread may see at a time: it goes
    /// there and back with every call.
    replica: Option<Box<UNet>>,
    calls: SyncSender<AsideCall>,
    answers: Receiver<(Box<UNet>, Result<Tensor>)>,
    thread: Option<JoinHandle<()>>,
}

struct AsideCall {
    replica: Box<UNet>,
    call: Call,
    text: TextContext,
    cores: i32,
}

impl Aside {
    fn start(replica: UNet) -> Result<Self> {
        let (calls, todo) = sync_channel::<AsideCall>(1);
        let (answer, answers) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("vernier-negative".to_owned())
            .spawn(move || {
                let _guard = tch::no_grad_guard();
                for AsideCall {
                    replica,
                    call,
                    text,
                    cores,
                } in todo
                {
                    // Asked first: libtorch's own choice for a new thread would overrule ours.
                    if tch::get_num_threads() != cores {
                        tch::set_num_threads(cores);
                    }
                    let output = call.run(&replica, &text, None);
                    if answer.send((replica, output)).is_err() {
                        return;
                    }
                }
            })
            .map_err(|e| EngineError::request("device", format!("cannot start a thread: {e}")))?;
        Ok(Self {
            replica: Some(Box::new(replica)),
            calls,
            answers,
            thread: Some(thread),
        })
    }

    fn begin(&mut self, call: &Call, text: &TextContext, cores: i32) {
        if let Some(replica) = self.replica.take() {
            // Where nobody listens any more, `end` learns why.
            let _ = self.calls.send(AsideCall {
                replica,
                call: Call {
                    input: call.input.shallow_clone(),
                    timestep: call.timestep,
                },
                text: text.shallow_clone(),
                cores,
            });
        }
    }

    /// Waits for what [`begin`](Self::begin) asked for. A panic over there goes on here.
    fn end(&mut self) -> Result<Tensor> {
        if let Ok((replica, output)) = self.answers.recv() {
            self.replica = Some(replica);
            return output;
        }
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            resume_unwind(panic);
        }
        let problem = "the thread of the negative prompt is gone; start again and report this";
        Err(EngineError::request("guidance", problem))
    }
}

/// How many cores this thread's operations use, until it is dropped.
struct CoresInUse {
    before: i32,
}

impl CoresInUse {
    fn set(cores: i32) -> Self {
        let before = tch::get_num_threads();
        tch::set_num_threads(cores);
        Self { before }
    }
}

impl Drop for CoresInUse {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}
