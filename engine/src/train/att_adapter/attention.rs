//! One worker of the training of an adapter with a second cross-attention.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::super::captions::Captions;
use super::super::random::{standard_normal, step_rng};
use super::super::training_set::{TrainingSet, draw, drop_captions};
use super::super::verdict::{Judged, Row};
use super::super::{DiffusionLoss, FrozenModel, Noised, Replica, shallow};
use super::AdapterTask;
use super::masks::mask;
use super::start::{start_like, start_spread};
use crate::Result;
use crate::controls::{AdapterNetwork, AdapterShape, CvaeLoss, Recogniser, condition, site_shapes};
use crate::sampling::lock_generator;
use crate::weights::ParamStore;

/// Strength of the second cross-attention in training.
const FULL: f64 = 1.0;

/// The adapter's network in training, beside its frozen model.
pub(crate) struct AttentionTrainer {
    model: FrozenModel,
    data: TrainingSet,
    network: AdapterNetwork,
    /// For the CVAE alone.
    recogniser: Option<Recogniser>,
    parameters: Vec<(String, Tensor)>,
    captions: Captions,
    loss: DiffusionLoss,
    task: AdapterTask,
}

/// Weights of the CVAE's two terms beside the diffusion loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CvaeWeights {
    /// α, of the Kullback-Leibler divergence in nats.
    pub kl: f64,
    /// Of the reconstruction's mean square error.
    pub reconstruction: f64,
}

impl AttentionTrainer {
    pub(crate) fn new(
        model: FrozenModel,
        data: TrainingSet,
        task: AdapterTask,
        shape: AdapterShape,
        is_cvae: bool,
    ) -> Result<Self> {
        let store = ParamStore::fresh(Kind::Float, model.device);
        let attributes = task.ranges.len() as i64;
        let (network, recogniser) = {
            let _generator = lock_generator();
            tch::manual_seed(task.seed as i64);
            let root = store.root();
            let sites = site_shapes(&model.unet);
            let network = AdapterNetwork::new(&root, is_cvae, shape, attributes, &sites)?;
            let recogniser = is_cvae
                .then(|| Recogniser::new(&root, &shape, attributes, data.feature_dim()))
                .transpose()?;
            (network, recogniser)
        };
        let parameters = store.named();
        start_like(&model.unet, &parameters)?;
        start_spread(&parameters, attributes)?;
        Ok(Self {
            captions: Captions::new(data.captions.clone()),
            loss: DiffusionLoss::new(&model),
            model,
            data,
            network,
            recogniser,
            parameters,
            task,
        })
    }

    fn condition(&self, rows: &[Row]) -> Result<Tensor> {
        Ok(condition(&self.task.ranges, rows)?.f_to_device(self.model.device)?)
    }

    /// The model's output for `noised` pictures under the second cross-attention to `tokens`.
    fn predict(
        &mut self,
        noised: &Noised,
        captions: &[Option<usize>],
        tokens: Option<&Tensor>,
    ) -> Result<Tensor> {
        let states = self.captions.states(&self.model, captions)?;
        let unet = &self.model.unet;
        let mut text = unet.text_context(&states)?;
        if let Some(tokens) = tokens {
            text = text.with_branch(self.network.branch(tokens, unet, FULL)?);
        }
        self.model
            .predict_each(&noised.latents, &noised.timesteps, &text, None)
    }

    /// Tokens to train with, in part from samples of the posterior where there is one.
    fn tokens(
        &self,
        rows: &[usize],
        condition: &Tensor,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Tensor, Option<CvaeLoss>)> {
        let device = self.model.device;
        let (Some(recogniser), Some(image)) = (&self.recogniser, self.data.features(rows, device)?)
        else {
            return Ok((self.network.tokens(condition)?, None));
        };
        let shape = [rows.len() as i64, self.network.shape().latent_dim];
        let noise = standard_normal(rng, &shape)?.f_to_device(device)?;
        let network = &self.network;
        let (tokens, loss) = network.infer(recogniser, condition, &image, &noise)?;
        Ok((tokens, Some(loss)))
    }
}

/// Whether no render needs the parameter `name`.
pub(crate) fn is_for_training_only(name: &str) -> bool {
    ["projection.", "posterior."]
        .iter()
        .any(|own| name.starts_with(own))
}

impl Replica for AttentionTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let mut rng = step_rng(self.task.seed, self.task.worker, step);
        let rows = draw(&self.task.learnt, self.task.batch, &mut rng);
        let captions = drop_captions(&rows, &mut rng);
        let values = rows
            .iter()
            .map(|&row| mask(&self.data.values[row], &mut rng));
        let condition = self.condition(&values.collect::<Vec<_>>())?;
        let (tokens, cvae) = self.tokens(&rows, &condition, &mut rng)?;
        let clean = self.data.latents(&rows, &self.model)?;
        let noised = self.loss.noised(&clean, &mut rng)?;
        let output = self.predict(&noised, &captions, Some(&tokens))?;
        let denoising = noised.loss(&output)?;
        let Some(CvaeLoss { kl, reconstruction }) = cvae else {
            return Ok((denoising, Vec::new()));
        };
        let figure = |x: &Tensor| -> Result<f64> { Ok(f64::try_from(x.f_detach()?)?) };
        let figures = vec![
            ("denoising", figure(&denoising)?),
            ("kl", figure(&kl)?),
            ("reconstruction", figure(&reconstruction)?),
        ];
        let weights = self.task.cvae;
        let loss = denoising
            .f_add(&kl.f_mul_scalar(weights.kl)?)?
            .f_add(&reconstruction.f_mul_scalar(weights.reconstruction)?)?;
        Ok((loss, figures))
    }
}

impl Judged for AttentionTrainer {
    fn attributes(&self) -> Vec<String> {
        self.task.names()
    }

    fn values(&self, picture: usize) -> Row {
        self.data.values[picture].clone()
    }

    fn error(
        &mut self,
        pictures: &[usize],
        values: Option<&[Row]>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor> {
        let clean = self.data.latents(pictures, &self.model)?;
        let noised = self.loss.noised(&clean, rng)?;
        let captions: Vec<Option<usize>> = pictures.iter().copied().map(Some).collect();
        let tokens = match values {
            Some(values) => Some(self.network.tokens(&self.condition(values)?)?),
            None => None,
        };
        let output = self.predict(&noised, &captions, tokens.as_ref())?;
        noised.loss(&output)
    }
}
