//! What holds for every sampler, whatever the configuration.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use serde_json::json;
use tch::{Kind, Tensor};
use vernier_engine::sampling::{
    Guidance, ImageNoise, NoiseSchedule, PredictionType, Sampler, SamplerName, SchedulerConfig,
    build, build_tail,
};

fn config(spacing: &str, karras: bool) -> SchedulerConfig {
    let json = json!({
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "steps_offset": 1, "set_alpha_to_one": false, "clip_sample": false,
        "skip_prk_steps": true, "timestep_spacing": spacing, "use_karras_sigmas": karras,
    });
    SchedulerConfig::from_map(json.as_object().unwrap(), "scheduler_config.json").unwrap()
}

fn any_sampler() -> impl Strategy<Value = SamplerName> {
    proptest::sample::select(&SamplerName::ALL[..])
}

fn any_spacing() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&["leading", "trailing", "linspace"][..])
}

/// A run whose model predicts noise from each image alone, told to the sampler as `prediction`.
fn run(
    sampler: &mut dyn Sampler,
    noise: &[ImageNoise],
    schedule_alphas: &NoiseSchedule,
    prediction: PredictionType,
) -> Tensor {
    let schedule = sampler.schedule().clone();
    let mut sample = ImageNoise::initial(noise).unwrap() * schedule.init_noise_sigma;
    for (i, &t) in schedule.timesteps.iter().enumerate() {
        let input = sampler.scale_model_input(&sample, i).unwrap();
        let epsilon = (&input * 0.9).sin();
        // The variance-preserving input is α·x₀ + s·ε, with s/α = σ where the sampler has one.
        let (alpha, s) = if let Some(sigma) = schedule.sigmas.get(i) {
            let scale = (sigma * sigma + 1.0).sqrt();
            (1.0 / scale, sigma / scale)
        } else {
            let alpha_cumprod = f64::from(schedule_alphas.alphas_cumprod()[t as usize]);
            (alpha_cumprod.sqrt(), (1.0 - alpha_cumprod).sqrt())
        };
        let clean = (&input - &epsilon * s) / alpha;
        let output = match prediction {
            PredictionType::Epsilon => epsilon,
            PredictionType::VPrediction => epsilon * alpha - clean * s,
            PredictionType::Sample => clean,
        };
        let noise = ImageNoise::at_call(noise, i).unwrap();
        sample = sampler.step(&output, i, &sample, noise.as_ref()).unwrap();
    }
    sample
}

fn largest(values: &Tensor) -> f64 {
    f64::try_from(values.abs().max()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_noised_sample_is_walked_back_from_any_step(
        name in any_sampler(), spacing in any_spacing(), karras: bool, prk: bool,
        (steps, skipped) in (4_usize..12).prop_flat_map(|steps| (Just(steps), 0..steps)),
    ) {
        // DDIM and PNDM step by one fixed distance, as in diffusers, which fits this spacing alone.
        let is_fixed = matches!(name, SamplerName::Ddim | SamplerName::Pndm);
        let spacing = if is_fixed { "leading" } else { spacing };
        let mut config = config(spacing, karras);
        config.skip_prk_steps = !prk;
        let mut sampler = build_tail(name, &config, steps, skipped).unwrap();
        let schedule = sampler.schedule().clone();
        prop_assert_eq!(schedule.levels.len(), schedule.timesteps.len());
        // The last step of all is the same, so its noise is, too.
        let whole = build(name, &config, steps).unwrap().schedule().timesteps.clone();
        prop_assert_eq!(whole.last(), schedule.timesteps.last());
        let (clean, noise) = ImageNoise::draw_beside_source(3, [4, 4, 4], sampler.as_ref(), true)
            .unwrap();
        let noise = [noise];
        let first = ImageNoise::initial(&noise).unwrap();
        let mut sample = schedule.noised(&clean, &first, 0).unwrap();
        for (i, level) in schedule.levels.iter().enumerate() {
            // What a model would say that knows the picture.
            let epsilon = (&sample - &clean * level.signal) / level.noise;
            let fresh = ImageNoise::at_call(&noise, i).unwrap();
            sample = sampler.step(&epsilon, i, &sample, fresh.as_ref()).unwrap();
        }
        // Those that work on alphas end where the training's least noise is.
        let expected = if is_fixed {
            let least = f64::from(NoiseSchedule::new(&config).unwrap().alphas_cumprod()[0]);
            &clean * least.sqrt() + &first * (1.0 - least).sqrt()
        } else {
            clean.shallow_clone()
        };
        let apart = largest(&(&sample - expected));
        // Half of an odd distance is rounded to a whole timestep.
        let bound = if prk && is_fixed { 2e-2 } else { 2e-3 };
        prop_assert!(apart < bound, "{name} {spacing} {steps} {skipped}: {apart}");
    }

    #[test]
    fn timesteps_fall_and_sigmas_never_rise(
        name in any_sampler(), spacing in any_spacing(), steps in 1_usize..300, karras: bool,
    ) {
        // A latent consistency model has 50 steps.
        let steps = if name == SamplerName::Lcm { steps.min(50) } else { steps };
        let sampler = build(name, &config(spacing, karras), steps).unwrap();
        let schedule = sampler.schedule();
        // Heun and DPM2 a tell every timestep twice, Karras timesteps are rounded (KDPM2's only at whole steps, so that they may rise by half
        // a timestep in between), and PNDM evaluates one timestep twice.
        let rounds_karras = matches!(
            name,
            SamplerName::Dpmpp2m
                | SamplerName::Dpmpp2mSde
                | SamplerName::UniPc
                | SamplerName::Kdpm2
                | SamplerName::Kdpm2A
        );
        let rounded = name == SamplerName::Dpmpp2mKarras
            || (karras && rounds_karras)
            || matches!(name, SamplerName::Pndm | SamplerName::Heun | SamplerName::Kdpm2A);
        for pair in schedule.timesteps.windows(2) {
            prop_assert!(pair[0] > pair[1] || (rounded && pair[0] >= pair[1] - 0.5), "{pair:?}");
        }
        for pair in schedule.sigmas.windows(2) {
            prop_assert!(pair[0] >= pair[1] * (1.0 - 1e-6), "{pair:?}");
        }
        if !schedule.sigmas.is_empty() {
            prop_assert_eq!(schedule.sigmas.len(), schedule.timesteps.len() + 1);
        }
        prop_assert!(schedule.timesteps.iter().all(|t| (0.0..1000.0).contains(t)));
    }

    #[test]
    fn every_prediction_type_walks_the_same_way(
        name in any_sampler(), spacing in any_spacing(), steps in 2_usize..24, seed: u64,
    ) {
        let mut config = config(spacing, false);
        let alphas = NoiseSchedule::new(&config).unwrap();
        let mut ends = Vec::new();
        let refuses_sample = matches!(
            name,
            SamplerName::Pndm
                | SamplerName::Kdpm2
                | SamplerName::Kdpm2A
                | SamplerName::DpmppSde
                | SamplerName::EulerA
        );
        for prediction in [PredictionType::Epsilon, PredictionType::VPrediction, PredictionType::Sample] {
            // PNDM mixes the outputs of several timesteps before it converts them.
            if (prediction == PredictionType::Sample && refuses_sample)
                || (prediction == PredictionType::VPrediction && name == SamplerName::Pndm)
            {
                continue;
            }
            config.prediction_type = prediction;
            let mut sampler = build(name, &config, steps).unwrap();
            let noise = [ImageNoise::draw(seed, [4, 3, 5], sampler.as_ref()).unwrap()];
            ends.push(run(sampler.as_mut(), &noise, &alphas, prediction));
        }
        for end in &ends[1..] {
            let difference = largest(&(end - &ends[0])) / largest(&ends[0]);
            prop_assert!(difference < 2e-4, "{difference:e}");
        }
    }

    #[test]
    fn an_image_does_not_depend_on_its_batch(
        name in any_sampler(), spacing in any_spacing(), steps in 1_usize..12,
        seeds: (u64, u64), height in 1_i64..7, width in 1_i64..7,
    ) {
        let config = config(spacing, false);
        let alphas = NoiseSchedule::new(&config).unwrap();
        let walk = |seeds: &[u64]| {
            let mut sampler = build(name, &config, steps).unwrap();
            let noise: Vec<_> = seeds
                .iter()
                .map(|&seed| ImageNoise::draw(seed, [4, height, width], sampler.as_ref()).unwrap())
                .collect();
            run(sampler.as_mut(), &noise, &alphas, PredictionType::Epsilon)
        };
        let both = walk(&[seeds.0, seeds.1]);
        prop_assert!(walk(&[seeds.0]) == both.narrow(0, 0, 1));
        prop_assert!(walk(&[seeds.1]) == both.narrow(0, 1, 1));
    }
}

#[test]
fn guidance_is_the_formula_and_rescaling_restores_the_deviation() {
    let uncond = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 3.0]).reshape([1, 1, 2, 2]);
    let cond = Tensor::from_slice(&[2.0_f32, -1.0, 0.0, 3.5]).reshape([1, 1, 2, 2]);
    let guided = Guidance::new(7.5, 0.0)
        .unwrap()
        .combine(&uncond, &cond)
        .unwrap();
    let expected = Tensor::from_slice(&[8.5_f32, 5.5, -3.25, 6.75]).reshape([1, 1, 2, 2]);
    assert!(guided == expected, "{guided:?}");

    let rescaled = Guidance::new(7.5, 1.0)
        .unwrap()
        .combine(&uncond, &cond)
        .unwrap();
    let deviation = |t: &Tensor| f64::try_from(t.std(true)).unwrap();
    assert!((deviation(&rescaled) - deviation(&cond)).abs() < 1e-6);

    let half = Guidance::new(7.5, 0.5)
        .unwrap()
        .combine(&uncond, &cond)
        .unwrap();
    assert!(largest(&(half * 2.0 - rescaled - guided)) < 1e-5);

    let narrow = Guidance::new(2.0, 0.0).unwrap();
    let (uncond, cond) = (uncond.to_kind(Kind::BFloat16), cond.to_kind(Kind::BFloat16));
    assert_eq!(narrow.combine(&uncond, &cond).unwrap().kind(), Kind::Float);
    assert!(!Guidance::new(1.0, 0.0).unwrap().is_on() && narrow.is_on());
    assert!(Guidance::new(f64::NAN, 0.0).is_err() && Guidance::new(7.5, 1.5).is_err());
}

#[test]
fn impossible_requests_say_which_field() {
    let config = config("leading", false);
    for (name, steps) in [
        (SamplerName::Ddim, 0),
        (SamplerName::Ddim, 1001),
        // Leading spacing with offset 1 would need a timestep 1000.
        (SamplerName::Ddim, 1000),
        (SamplerName::Pndm, 1000),
        (SamplerName::Dpmpp2m, 1000),
        (SamplerName::Lms, 1000),
    ] {
        let message = build(name, &config, steps).err().unwrap().to_string();
        assert!(message.starts_with("steps:"), "{message}");
    }
    let mut sampler = build(SamplerName::EulerA, &config, 3).unwrap();
    let sample = Tensor::zeros([1, 4, 2, 2], tch::kind::FLOAT_CPU);
    assert!(sampler.step(&sample, 0, &sample, None).is_err());
    assert!(sampler.scale_model_input(&sample, 3).is_err());
    let wider = Tensor::zeros([1, 4, 2, 3], tch::kind::FLOAT_CPU);
    assert!(sampler.step(&wider, 0, &sample, Some(&sample)).is_err());
}
