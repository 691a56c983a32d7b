//! The pool through the encoder: latents that the U-Net trains on, at mean 0 and deviation 1.

use std::path::Path;

use tch::{Device, Kind, Tensor};
use vernier_engine::models::vae::Vae;
use vernier_engine::render::Flow;
use vernier_engine::weights::{SafetensorsFile, save};
use vernier_engine::{EngineError, Result};

use crate::loss::figure;
use crate::pool::Pool;

/// Pictures that are encoded at once.
const AT_ONCE: usize = 64;
/// Stored latents that are compared with what the encoder gives now.
const COMPARED: usize = 4;
/// Largest mean difference between the two; latents have deviation 1, and half precision differs
/// by far less.
const SAME: f64 = 0.1;

/// Posterior means of entries of the pool, scaled as the U-Net sees them, in fp32 on the CPU.
///
/// # Errors
/// Memory runs out, or `progress`, which hears how many are done, cancelled.
pub fn encode(
    vae: &Vae,
    pool: &Pool,
    entries: &[usize],
    (kind, device): (Kind, Device),
    mut progress: impl FnMut(usize) -> Flow,
) -> Result<Tensor> {
    let _guard = tch::no_grad_guard();
    let mut parts = Vec::new();
    let mut done = 0;
    for entries in entries.chunks(AT_ONCE) {
        let pictures = pool.pictures(entries)?.f_to_device(device)?;
        let mean = vae.scale(vae.encode(&pictures.f_to_kind(kind)?)?.mean())?;
        parts.push(mean.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?);
        done += entries.len();
        if progress(done) == Flow::Cancel {
            return Err(EngineError::Cancelled);
        }
    }
    Ok(Tensor::f_cat(&parts, 0)?)
}

/// Writes latents to `path`, in fp16.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, latents: &Tensor) -> Result<()> {
    let half = latents.f_to_kind(Kind::Half)?;
    save(path, &[("latents".to_owned(), half)], &[])
}

/// Reads what [`write()`] wrote for `pool` and `vae`, in fp16.
///
/// # Errors
/// The file is missing or damaged, or was made for another pool or autoencoder.
pub fn read(path: &Path, vae: &Vae, pool: &Pool, compute: (Kind, Device)) -> Result<Tensor> {
    let other = |what: &str| {
        let problem = format!("belongs to another {what}; run the stage \"encode\" again");
        EngineError::bad_file(path, problem)
    };
    let latents = SafetensorsFile::open(path)?
        .tensor("latents", Kind::Half, Device::Cpu)?
        .ok_or_else(|| other("program"))?;
    if latents.size().first() != Some(&(pool.len() as i64)) {
        return Err(other("pool"));
    }
    let entries: Vec<usize> = (0..pool.len().min(COMPARED)).collect();
    let now = encode(vae, pool, &entries, compute, |_| Flow::Continue)?;
    let stored = latents.f_narrow(0, 0, entries.len() as i64)?;
    if stored.size() != now.size() {
        return Err(other("autoencoder"));
    }
    let difference = stored.f_to_kind(Kind::Float)?.f_sub(&now)?.f_abs()?;
    // Written so that NaN is refused too.
    if figure(&difference.f_mean(Kind::Float)?)? < SAME {
        Ok(latents)
    } else {
        Err(other("autoencoder"))
    }
}

/// Mean and deviation of every channel of `latents` `[pictures, channels, h, w]`, `[channels]`
/// each, in fp64.
///
/// # Errors
/// A tensor operation failed.
pub fn channel_statistics(latents: &Tensor) -> Result<(Tensor, Tensor)> {
    let latents = latents.f_to_kind(Kind::Double)?;
    let dims = [0_i64, 2, 3];
    Ok((
        latents.f_mean_dim(dims.as_slice(), false, Kind::Double)?,
        latents.f_std_dim(dims.as_slice(), true, false)?,
    ))
}

/// Standardises the latents through the 1×1 convolutions around them: afterwards the posterior
/// mean has zero mean and unit deviation in every channel, and the decoder undoes it.
///
/// `tensors` are the autoencoder's; `mean` and `deviation` are `[channels]`, measured over many
/// pictures.
///
/// # Errors
/// The tensors do not hold the convolutions, or a channel does not vary.
pub fn standardise(
    tensors: &mut [(String, Tensor)],
    mean: &Tensor,
    deviation: &Tensor,
) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let smallest = figure(&deviation.f_min()?)?;
    if smallest.is_nan() || smallest < 1e-6 {
        let problem = "has a channel that is the same in all pictures; train it further";
        return Err(EngineError::request("autoencoder", problem));
    }
    let (mean, deviation) = (on_cpu(mean)?, on_cpu(deviation)?);
    let channels = mean.size()[0];
    let halves = |t: &Tensor| -> Result<(Tensor, Tensor)> {
        Ok((
            t.f_narrow(0, 0, channels)?,
            t.f_narrow(0, channels, channels)?,
        ))
    };

    change(tensors, "quant_conv.weight", |weight| {
        let (means, logvars) = halves(weight)?;
        let means = means.f_div(&deviation.f_view([-1, 1, 1, 1])?)?;
        Ok(Tensor::f_cat(&[means, logvars], 0)?)
    })?;
    change(tensors, "quant_conv.bias", |bias| {
        let (means, logvars) = halves(bias)?;
        let means = means.f_sub(&mean)?.f_div(&deviation)?;
        // The posterior's spread shrinks with its mean.
        let logvars = logvars.f_sub(&deviation.f_log()?.f_mul_scalar(2.0)?)?;
        Ok(Tensor::f_cat(&[means, logvars], 0)?)
    })?;
    let mut shift = None;
    change(tensors, "post_quant_conv.weight", |weight| {
        shift = Some(weight.f_view([channels, channels])?.f_mv(&mean)?);
        Ok(weight.f_mul(&deviation.f_view([1, -1, 1, 1])?)?)
    })?;
    change(tensors, "post_quant_conv.bias", |bias| {
        let shift = shift.as_ref().ok_or_else(|| lacks("post_quant_conv"))?;
        Ok(bias.f_add(shift)?)
    })
}

/// Replaces one tensor by what `by` makes of it in fp64.
fn change(
    tensors: &mut [(String, Tensor)],
    name: &str,
    by: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<()> {
    let found = tensors.iter_mut().find(|(n, _)| n == name);
    let (_, tensor) = found.ok_or_else(|| lacks(name))?;
    *tensor = by(&on_cpu(tensor)?)?
        .f_to_kind(Kind::Float)?
        .f_to_device(tensor.device())?;
    Ok(())
}

fn on_cpu(tensor: &Tensor) -> Result<Tensor> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?;
    Ok(tensor.f_to_kind(Kind::Double)?)
}

fn lacks(name: &str) -> EngineError {
    EngineError::request("autoencoder", format!("has no {name}"))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};
    use vernier_engine::models::vae::{Vae, VaeConfig};
    use vernier_engine::render::Flow;
    use vernier_engine::weights::{ParamStore, save};

    use super::{channel_statistics, encode, read, standardise, write};
    use crate::config;
    use crate::pool::{Pool, held_out_pictures};

    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// An autoencoder of the miniature's shape and next to no width.
    fn tiny() -> VaeConfig {
        VaeConfig {
            block_out_channels: vec![8, 8, 8, 8],
            norm_num_groups: 4,
            ..config::vae_config().unwrap()
        }
    }

    fn fresh(seed: i64) -> (ParamStore, Vae) {
        tch::manual_seed(seed);
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let vae = Vae::new(&store.root(), &tiny()).unwrap();
        (store, vae)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn standardising_changes_the_latents_and_not_the_pictures() {
        let _guard = tch::no_grad_guard();
        let pictures = held_out_pictures(4).unwrap();
        let (store, vae) = fresh(2);
        let latents = vae.encode(&pictures).unwrap();
        let (mean, deviation) = channel_statistics(latents.mean()).unwrap();
        // The start is something else than the aim.
        assert!(distance(&deviation, &deviation.ones_like()) > 0.05);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vae.safetensors");
        let mut tensors = store.named();
        standardise(&mut tensors, &mean, &deviation).unwrap();
        save(&file, &tensors, &[]).unwrap();
        let store = ParamStore::open(&[file], Kind::Float, Device::Cpu).unwrap();
        let changed = Vae::new(&store.root(), &tiny()).unwrap();
        store.finish().unwrap();

        let after = changed.encode(&pictures).unwrap();
        let (mean, deviation) = channel_statistics(after.mean()).unwrap();
        assert!(distance(&mean, &mean.zeros_like()) < 1e-4);
        assert!(distance(&deviation, &deviation.ones_like()) < 1e-4);
        let noise = latents.mean().randn_like();
        for (before, after) in [
            (latents.mean().shallow_clone(), after.mean().shallow_clone()),
            (
                latents.sample(&noise).unwrap(),
                after.sample(&noise).unwrap(),
            ),
        ] {
            let before = vae.decode(&before).unwrap();
            let after = changed.decode(&after).unwrap();
            assert!(distance(&before, &after) < 1e-4);
        }
    }

    #[test]
    fn a_channel_without_content_and_a_network_without_the_convolutions_are_refused() {
        let (store, _) = fresh(2);
        let channels = config::LATENT_CHANNELS;
        let (mean, deviation) = (
            Tensor::zeros([channels], CPU),
            Tensor::ones([channels], CPU),
        );
        let flat = Tensor::zeros([channels], CPU);
        assert!(standardise(&mut store.named(), &mean, &flat).is_err());
        let error = standardise(&mut [], &mean, &deviation).unwrap_err();
        assert_eq!(error.to_string(), "autoencoder: has no quant_conv.weight");
    }

    #[test]
    fn stored_latents_come_back_for_their_own_pool_and_autoencoder_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.rgb");
        Pool::draw(&path, 2, |_| Flow::Continue).unwrap();
        let pool = Pool::open(&path, 2).unwrap();
        let (_, vae) = fresh(2);
        let mut heard = Vec::new();
        let latents = encode(&vae, &pool, &[0, 1, 2, 3], CPU, |done| {
            heard.push(done);
            Flow::Continue
        })
        .unwrap();
        assert_eq!(heard, [4]);
        assert_eq!(latents.size(), [4, config::LATENT_CHANNELS, 16, 16]);

        let file = folder.path().join("latents.safetensors");
        write(&file, &latents).unwrap();
        let stored = read(&file, &vae, &pool, CPU).unwrap();
        assert!(distance(&stored.to_kind(Kind::Float), &latents) < 1e-2);

        let (_, other) = fresh(3);
        let sentence = read(&file, &other, &pool, CPU).unwrap_err().to_string();
        assert!(sentence.contains("another autoencoder"), "{sentence}");
        write(&file, &latents.narrow(0, 0, 2)).unwrap();
        let sentence = read(&file, &vae, &pool, CPU).unwrap_err().to_string();
        assert!(sentence.contains("another pool"), "{sentence}");
        assert!(encode(&vae, &pool, &[0], CPU, |_| Flow::Cancel).is_err());
    }
}
