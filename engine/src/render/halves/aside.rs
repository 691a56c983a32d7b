//! The thread that computes the negative half.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use tch::Tensor;

use super::call::Call;
use crate::models::unet::{TextContext, UNet};
use crate::{EngineError, Result};

/// The thread of the negative half.
pub(super) struct Aside {
    /// The U-Net that it computes with, whose layers only one thread may see at a time: it goes
    /// there and back with every call.
    pub(super) replica: Option<Box<UNet>>,
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
    pub(super) fn start(replica: UNet) -> Result<Self> {
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

    pub(super) fn begin(&mut self, call: Call, text: &TextContext, cores: i32) {
        if let Some(replica) = self.replica.take() {
            // Where nobody listens any more, `end` learns why.
            let _ = self.calls.send(AsideCall {
                replica,
                call,
                text: text.shallow_clone(),
                cores,
            });
        }
    }

    /// Waits for what [`begin`](Self::begin) asked for. A panic over there goes on here.
    pub(super) fn end(&mut self) -> Result<Tensor> {
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
