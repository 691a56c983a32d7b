//! The noise of one image, as Python's `torch.Generator("cpu").manual_seed(seed)` draws it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, Tensor};

use super::Sampler;
use crate::Result;

/// libtorch's binding has no generator objects, only one generator a process: whoever draws from it
/// within this module holds this lock. Other code may leave it in any state, since every image
/// seeds it anew, but must not draw on another thread while an image's noise is drawn.
static GENERATOR: Mutex<()> = Mutex::new(());

pub(crate) fn lock_generator() -> MutexGuard<'static, ()> {
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Unit normal noise for one image: its first latents, and what its sampler adds on the way.
///
/// It is drawn in fp32 on the CPU, whatever dtype and device the model has, so that the same seed
/// gives the same picture everywhere. diffusers draws in the pipeline's dtype: the same seed in
/// bf16 or fp16 gives other noise there.
#[derive(Debug)]
pub struct ImageNoise {
    initial: Tensor,
    /// One a call of the sampler; None where it needs none.
    calls: Vec<Option<Tensor>>,
}

impl ImageNoise {
    /// Draws all noise that one run of `sampler` needs for latents of `[channels, height, width]`.
    ///
    /// libtorch's CPU generator uses the low 32 bits of `seed`.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn draw(seed: u64, size: [i64; 3], sampler: &dyn Sampler) -> Result<Self> {
        let [channels, height, width] = size;
        let _generator = lock_generator();
        // The same 64 bits: libtorch takes them as unsigned again.
        tch::manual_seed(seed as i64);
        let shape = [1, channels, height, width];
        let mut noise = Self {
            initial: Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?,
            calls: Vec::new(),
        };
        noise.draw_calls(shape, sampler)?;
        Ok(noise)
    }

    /// As [`Self::draw`] for an image that starts from another one, and before it the unit noise
    /// `[1, channels, height, width]` that the encoder's latents are sampled with.
    ///
    /// `masked` draws as diffusers' pipeline for inpainting does, which samples the latents of the
    /// masked picture too, whether the U-Net sees them or not; else as the one for images.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn draw_beside_source(
        seed: u64,
        size: [i64; 3],
        sampler: &dyn Sampler,
        masked: bool,
    ) -> Result<(Tensor, Self)> {
        let [channels, height, width] = size;
        let shape = [1, channels, height, width];
        let _generator = lock_generator();
        tch::manual_seed(seed as i64);
        let of_source = Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?;
        let mut noise = Self {
            initial: Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?,
            calls: Vec::new(),
        };
        if masked {
            let _ = Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?;
        }
        noise.draw_calls(shape, sampler)?;
        Ok((of_source, noise))
    }

    /// Unit noise for a walk that adds some at each of its `steps`: first that of its first
    /// latents, then one a step, each `[1, channels, height, width]` in fp32 on the CPU.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn draw_steps(seed: u64, size: [i64; 3], steps: usize) -> Result<Vec<Tensor>> {
        let [channels, height, width] = size;
        let _generator = lock_generator();
        tch::manual_seed(seed as i64);
        let shape = [1, channels, height, width];
        let draw = |_| Ok(Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?);
        (0..=steps).map(draw).collect()
    }

    /// As [`Self::draw`] for a U-Net that is trained for inpainting, with the unit noise that the
    /// encoder's latents are sampled with: before it those of the source, where `from_source`, and
    /// after it those of the picture around the mask; in this order, as diffusers draws them.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn draw_for_inpainting(
        seed: u64,
        size: [i64; 3],
        sampler: &dyn Sampler,
        from_source: bool,
    ) -> Result<(Option<Tensor>, Self, Tensor)> {
        let [channels, height, width] = size;
        let shape = [1, channels, height, width];
        let _generator = lock_generator();
        tch::manual_seed(seed as i64);
        let draw = || Tensor::f_randn(shape, (Kind::Float, Device::Cpu));
        let of_source = from_source.then(draw).transpose()?;
        let mut noise = Self {
            initial: draw()?,
            calls: Vec::new(),
        };
        let of_surroundings = draw()?;
        noise.draw_calls(shape, sampler)?;
        Ok((of_source, noise, of_surroundings))
    }

    fn draw_calls(&mut self, shape: [i64; 4], sampler: &dyn Sampler) -> Result<()> {
        let draw = || Tensor::f_randn(shape, (Kind::Float, Device::Cpu));
        self.calls = (0..sampler.schedule().timesteps.len())
            .map(|i| sampler.needs_noise(i).then(draw).transpose())
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The first latents `[images, channels, height, width]`, before `init_noise_sigma`.
    ///
    /// # Errors
    /// `images` is empty or of unequal sizes.
    pub fn initial(images: &[Self]) -> Result<Tensor> {
        let each: Vec<&Tensor> = images.iter().map(|image| &image.initial).collect();
        Ok(Tensor::f_cat(&each, 0)?)
    }

    /// The noise of call `i` for a batch, in the order of `images`; None when it needs none.
    ///
    /// # Errors
    /// `images` is of unequal sizes.
    pub fn at_call(images: &[Self], i: usize) -> Result<Option<Tensor>> {
        let each: Option<Vec<&Tensor>> = images
            .iter()
            .map(|image| image.calls.get(i)?.as_ref())
            .collect();
        match each {
            Some(each) if !each.is_empty() => Ok(Some(Tensor::f_cat(&each, 0)?)),
            _ => Ok(None),
        }
    }
}
