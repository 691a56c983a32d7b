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

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{CoresInUse, Halves};
    use crate::layers::{AttentionHook, AttentionSite, LayerRef, LowRankBranch, Multiplier};
    use crate::models::unet::{TextContext, UNet, UNetConfig};
    use crate::sampling::lock_generator;
    use crate::weights::ParamStore;
    use crate::{EngineError, Result};

    struct Studio {
        halves: Halves,
        input: Tensor,
        positive: TextContext,
        negative: TextContext,
    }

    impl Studio {
        /// A random U-Net of three resolutions' worth of layers, and texts of `tokens` tokens.
        fn open(tokens: [i64; 2]) -> Self {
            let _generator = lock_generator();
            tch::manual_seed(7);
            let config: UNetConfig = serde_json::from_value(serde_json::json!({
                "in_channels": 4,
                "out_channels": 4,
                "block_out_channels": [16, 32],
                "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
                "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
                "layers_per_block": 1,
                "cross_attention_dim": 32,
                "attention_head_dim": 4,
                "norm_num_groups": 8,
            }))
            .unwrap();
            let store = ParamStore::fresh(Kind::Float, Device::Cpu);
            let halves = Halves::new(&store, &config).unwrap();
            let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
            let context = |tokens: i64| {
                halves
                    .unet()
                    .text_context(&random(&[1, tokens, 32]))
                    .unwrap()
            };
            let [positive, negative] = tokens.map(context);
            Self {
                input: random(&[1, 4, 8, 8]),
                halves,
                positive,
                negative,
            }
        }

        fn predict(
            &mut self,
            cores: i32,
            hook: Option<&mut dyn AttentionHook>,
        ) -> (Tensor, Tensor) {
            let _cores = CoresInUse::set(cores);
            let negative = Some(&self.negative);
            let (positive, negative) = self
                .halves
                .predict(&self.input, 500.0, &self.positive, negative, hook)
                .unwrap();
            assert_eq!(tch::get_num_threads(), cores);
            (positive, negative.unwrap())
        }

        /// What the U-Net says under each text, called plainly.
        fn plain(&self) -> (Tensor, Tensor) {
            let timestep = Tensor::from_slice(&[500.0_f32]);
            let call = |text| {
                let unet = self.halves.unet();
                unet.forward(&self.input, &timestep, text, None, None)
                    .unwrap()
            };
            (call(&self.positive), call(&self.negative))
        }
    }

    fn assert_close(got: &(Tensor, Tensor), expected: &(Tensor, Tensor)) {
        assert!(got.0.allclose(&expected.0, 1e-4, 1e-5, false), "positive");
        assert!(got.1.allclose(&expected.1, 1e-4, 1e-5, false), "negative");
        assert!(
            !got.0.allclose(&got.1, 1e-4, 1e-5, false),
            "the texts do nothing"
        );
    }

    #[test]
    fn each_half_is_a_call_under_its_own_text() {
        let _guard = tch::no_grad_guard();
        // Texts of different lengths cannot share one call of batch 2.
        for tokens in [[7, 7], [9, 7]] {
            let mut studio = Studio::open(tokens);
            let plain = studio.plain();
            for cores in [1, 2, 3] {
                assert_close(&studio.predict(cores, None), &plain);
            }
            let alone = studio
                .halves
                .predict(&studio.input, 500.0, &studio.positive, None, None);
            let (positive, negative) = alone.unwrap();
            assert!(positive.allclose(&plain.0, 1e-4, 1e-5, false) && negative.is_none());
        }
    }

    #[test]
    fn the_same_call_gives_the_same_bits() {
        let _guard = tch::no_grad_guard();
        let mut studio = Studio::open([7, 7]);
        let first = studio.predict(2, None);
        for _ in 0..5 {
            assert_eq!(studio.predict(2, None), first);
        }
    }

    #[test]
    fn branches_attached_once_reach_both_halves() {
        let _guard = tch::no_grad_guard();
        let mut studio = Studio::open([7, 7]);
        let before = studio.predict(2, None);
        let multiplier = Multiplier::new(0.0);
        studio
            .halves
            .attach(|unet| {
                add_branches(unet, &multiplier);
                Ok(())
            })
            .unwrap();
        assert_eq!(studio.predict(2, None), before);
        multiplier.set(0.7);
        let with = studio.predict(2, None);
        assert_close(&with, &studio.plain());
        assert!(!with.1.allclose(&before.1, 1e-4, 1e-5, false));
    }

    /// A branch for every query, the same on every U-Net.
    fn add_branches(unet: &UNet, multiplier: &Multiplier) {
        unet.for_each_layer(&mut |name, layer: LayerRef<'_>| {
            if name.ends_with("to_q") {
                let shape = layer.weight_shape();
                let options = (Kind::Float, Device::Cpu);
                layer.add_branch(LowRankBranch {
                    // Normed features sum to zero, so a branch of equal weights would be blind.
                    down: Tensor::linspace(-0.3, 0.5, shape[1] * 2, options).view([2, shape[1]]),
                    up: Tensor::linspace(-1, 1, shape[0] * 2, options).view([shape[0], 2]),
                    scale: 1.0,
                    multiplier: multiplier.clone(),
                });
            }
        });
    }

    /// Counts, and refuses after a while.
    struct Counter {
        seen: usize,
        limit: usize,
    }

    impl AttentionHook for Counter {
        fn attend(
            &mut self,
            _: &AttentionSite,
            q: &Tensor,
            _: &Tensor,
            _: &Tensor,
        ) -> Result<Option<Tensor>> {
            assert_eq!(q.size()[0], 1);
            self.seen += 1;
            if self.seen > self.limit {
                return Err(EngineError::Cancelled);
            }
            Ok(None)
        }
    }

    #[test]
    fn the_hook_sees_the_positive_half_alone() {
        let _guard = tch::no_grad_guard();
        let mut studio = Studio::open([7, 7]);
        let plain = studio.plain();
        let mut seen = Vec::new();
        for cores in [1, 2] {
            let mut counter = Counter {
                seen: 0,
                limit: usize::MAX,
            };
            assert_close(&studio.predict(cores, Some(&mut counter)), &plain);
            seen.push(counter.seen);
        }
        let layers = 2 * studio.halves.unet().cross_attentions().len();
        assert_eq!(seen, [layers, layers]);
    }

    #[test]
    fn a_failure_of_one_half_leaves_both_usable() {
        let _guard = tch::no_grad_guard();
        let mut studio = Studio::open([7, 7]);
        let good = studio.predict(2, None);
        let cores = CoresInUse::set(2);
        let mut counter = Counter { seen: 0, limit: 1 };
        let negative = Some(&studio.negative);
        let failed = studio.halves.predict(
            &studio.input,
            500.0,
            &studio.positive,
            negative,
            Some(&mut counter),
        );
        assert!(matches!(failed, Err(EngineError::Cancelled)));
        let none = TextContext::default();
        let positive = &studio.positive;
        let failed = studio
            .halves
            .predict(&studio.input, 500.0, positive, Some(&none), None);
        assert!(
            failed
                .unwrap_err()
                .to_string()
                .starts_with("text context: ")
        );
        drop(cores);
        assert_eq!(studio.predict(2, None), good);
    }

    #[test]
    fn gradients_flow_to_an_input_that_wants_them() {
        let mut studio = Studio::open([7, 7]);
        studio.input = studio.input.set_requires_grad(true);
        let (positive, negative) = studio.predict(2, None);
        (positive + negative).sum(Kind::Float).backward();
        assert!(studio.input.grad().abs().max().double_value(&[]) > 0.0);
    }
}
