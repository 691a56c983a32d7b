//! Samplers against Python diffusers 0.42.1: the numbers that `tests/fixtures/make_samplers.py` wrote.

#![expect(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test that cannot go on fails, and some values must be equal to the bit"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tch::{Kind, Tensor};
use vernier_engine::sampling::{
    Convention, ImageNoise, PredictionType, Sampler, SamplerName, ScheduleChoice, SchedulerConfig,
    build,
};

fn fixture(name: &str) -> Value {
    let path = format!("{}/../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap();
    values.iter().map(|v| v.as_f64().unwrap()).collect()
}

struct Case<'a> {
    value: &'a Value,
    name: SamplerName,
    config: SchedulerConfig,
    steps: usize,
}

fn cases(fixture: &Value) -> Vec<Case<'_>> {
    let base = fixture["base"].as_object().unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 100, "the fixture lost its cases");
    cases
        .iter()
        .map(|value| {
            let mut map = Map::new();
            if let Some(differences) = value["differences"].as_object() {
                map.clone_from(base);
                map.extend(differences.clone());
            }
            Case {
                value,
                name: value["sampler"].as_str().unwrap().parse().unwrap(),
                config: SchedulerConfig::from_map(&map, "scheduler_config.json").unwrap(),
                steps: usize::try_from(value["steps"].as_u64().unwrap()).unwrap(),
            }
        })
        .collect()
}

/// The largest difference, relative to each expected value, or as it is where that is below
/// `least`: DPM2 a evaluates at timestep 0 but for the rounding of its sigma.
fn relative_each(least: f64, found: &[f64], expected: &[f64], case: &Case<'_>) -> f64 {
    assert_eq!(found.len(), expected.len(), "{}", describe(case));
    found
        .iter()
        .zip(expected)
        .map(|(f, e)| {
            if f == e {
                0.0
            } else {
                (f - e).abs() / e.abs().max(least)
            }
        })
        .fold(0.0, f64::max)
}

fn describe(case: &Case<'_>) -> String {
    format!(
        "{} {} steps {}",
        case.value["sampler"], case.steps, case.value["differences"]
    )
}

#[test]
fn tables_equal_diffusers() {
    let fixture = fixture("samplers_tables.json");
    let mut worst = BTreeMap::new();
    for case in cases(&fixture) {
        let sampler = build(case.name, &case.config, case.steps).unwrap();
        let schedule = sampler.schedule();
        for (what, found, least) in [
            ("timesteps", schedule.timesteps.clone(), 1.0),
            ("sigmas", schedule.sigmas.clone(), 0.0),
        ] {
            let difference = relative_each(least, &found, &numbers(&case.value[what]), &case);
            assert!(
                difference <= 1e-5,
                "{what} of {}: {difference:e}",
                describe(&case)
            );
            let entry = worst.entry((case.name.name(), what)).or_insert(0.0_f64);
            *entry = entry.max(difference);
        }
        let init = case.value["init_noise_sigma"].as_f64().unwrap();
        let difference = (schedule.init_noise_sigma - init).abs() / init;
        assert!(
            difference <= 1e-6,
            "init_noise_sigma of {}: {difference:e}",
            describe(&case)
        );
    }
    println!("worst relative difference: {worst:#?}");
}

#[test]
fn tables_are_the_same_for_every_prediction_type() {
    let fixture = fixture("samplers_tables.json");
    for mut case in cases(&fixture) {
        let expected = build(case.name, &case.config, case.steps).unwrap();
        for prediction_type in [PredictionType::VPrediction, PredictionType::Sample] {
            case.config.prediction_type = prediction_type;
            let refuses_sample = matches!(
                case.name,
                SamplerName::Pndm
                    | SamplerName::Kdpm2
                    | SamplerName::Kdpm2A
                    | SamplerName::DpmppSde
                    | SamplerName::EulerA
            );
            match build(case.name, &case.config, case.steps) {
                Ok(sampler) => assert_eq!(sampler.schedule(), expected.schedule()),
                Err(error) => {
                    assert!(refuses_sample && prediction_type == PredictionType::Sample);
                    assert!(error.to_string().contains("prediction_type"), "{error}");
                }
            }
        }
    }
}

/// The loop of `make_samplers.py` with its model `input · (0.3 + 0.4 t/T) + fixed`.
fn run(sampler: &mut dyn Sampler, train: usize, noise: &[ImageNoise], fixed: &Tensor) -> Tensor {
    let schedule = sampler.schedule().clone();
    let mut sample = ImageNoise::initial(noise).unwrap() * schedule.init_noise_sigma;
    for (i, t) in schedule.timesteps.iter().enumerate() {
        let input = sampler.scale_model_input(&sample, i).unwrap();
        let output = input * (0.3 + 0.4 * t / train as f64) + fixed;
        let noise = ImageNoise::at_call(noise, i).unwrap();
        sample = sampler.step(&output, i, &sample, noise.as_ref()).unwrap();
    }
    sample
}

#[test]
fn whole_loops_equal_diffusers() {
    let fixture = fixture("samplers_loops.json");
    let fixed: Vec<f32> = numbers(&fixture["fixed"])
        .iter()
        .map(|v| *v as f32)
        .collect();
    let fixed = Tensor::from_slice(&fixed).reshape([1, 4, 4, 4]);
    let seed = fixture["seed"].as_u64().unwrap();
    let mut worst = BTreeMap::new();
    for case in cases(&fixture) {
        let mut sampler = build(case.name, &case.config, case.steps).unwrap();
        let noise = ImageNoise::draw(seed, [4, 4, 4], sampler.as_ref()).unwrap();
        let train = case.config.num_train_timesteps;
        let last = run(sampler.as_mut(), train, &[noise], &fixed);
        assert_eq!(last.kind(), Kind::Float);
        let difference = relative_to_largest(&last, &numbers(&case.value["last"]));
        assert!(
            difference <= 1e-5,
            "last sample of {}: {difference:e}",
            describe(&case)
        );
        let entry = worst.entry(case.name.name()).or_insert(0.0_f64);
        *entry = entry.max(difference);
    }
    println!("worst difference relative to the largest value: {worst:#?}");
}

/// The largest difference from `expected`, relative to its largest value.
fn relative_to_largest(found: &Tensor, expected: &[f64]) -> f64 {
    let found = Vec::<f32>::try_from(found.flatten(0, -1)).unwrap();
    let largest = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f64::from(*f) - e).abs() / largest)
        .fold(0.0, f64::max)
}

#[test]
fn the_k_diffusion_convention_equals_k_diffusion() {
    let diffusers = fixture("samplers_loops.json");
    let base = diffusers["base"].as_object().unwrap();
    let config = SchedulerConfig::from_map(base, "scheduler_config.json").unwrap();
    let fixture = fixture("samplers_k_diffusion.json");
    let fixed: Vec<f32> = numbers(&fixture["fixed"])
        .iter()
        .map(|v| *v as f32)
        .collect();
    let fixed = Tensor::from_slice(&fixed).reshape([1, 4, 4, 4]);
    let seed = fixture["seed"].as_u64().unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 70, "the fixture lost its cases");
    let mut worst = BTreeMap::new();
    for case in cases {
        let name: SamplerName = case["sampler"].as_str().unwrap().parse().unwrap();
        let schedule = case["schedule"].as_str().unwrap();
        let what = format!("{name} {schedule} {}", case["steps"]);
        let choice = ScheduleChoice {
            schedule: schedule.parse().unwrap(),
            convention: Convention::KDiffusion,
            ..ScheduleChoice::default()
        };
        let config = config.with_choice(name, choice).unwrap();
        let steps = usize::try_from(case["steps"].as_u64().unwrap()).unwrap();
        let mut sampler = build(name, &config, steps).unwrap();
        let expected = numbers(&case["timesteps"]);
        let told = &sampler.schedule().timesteps;
        assert_eq!(told.len(), expected.len(), "{what}");
        for (told, expected) in told.iter().zip(&expected) {
            // k-diffusion finds a timestep by its sigma, in fp32.
            assert!((told - expected).abs() < 2e-3, "{what}: {told} {expected}");
        }
        let noise = ImageNoise::draw(seed, [4, 4, 4], sampler.as_ref()).unwrap();
        let last = run(sampler.as_mut(), 1000, &[noise], &fixed);
        let difference = relative_to_largest(&last, &numbers(&case["last"]));
        assert!(difference <= 1e-5, "{what}: {difference:e}");
        let entry = worst.entry(name.name()).or_insert(0.0_f64);
        *entry = entry.max(difference);
    }
    println!("worst difference relative to the largest value: {worst:#?}");
}

#[test]
fn noise_equals_torch_generators() {
    let fixture = fixture("samplers_noise.json");
    let config = SchedulerConfig::from_map(&Map::new(), "scheduler_config.json").unwrap();
    // Three steps draw three times: the first latents and two calls.
    let sampler = build(SamplerName::EulerA, &config, 3).unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        let seed = case["seed"].as_str().unwrap().parse::<u64>().unwrap();
        let shape: Vec<i64> = numbers(&case["shape"]).iter().map(|v| *v as i64).collect();
        let image =
            [ImageNoise::draw(seed, [shape[1], shape[2], shape[3]], sampler.as_ref()).unwrap()];
        let draws = [
            Some(ImageNoise::initial(&image).unwrap()),
            ImageNoise::at_call(&image, 0).unwrap(),
            ImageNoise::at_call(&image, 1).unwrap(),
        ];
        for (draw, expected) in draws.iter().zip(case["draws"].as_array().unwrap()) {
            let draw = draw.as_ref().unwrap();
            assert_eq!(draw.size(), shape);
            let found = Vec::<f32>::try_from(draw.flatten(0, -1)).unwrap();
            let expected: Vec<f32> = numbers(expected).iter().map(|v| *v as f32).collect();
            assert_eq!(found, expected, "seed {seed}");
        }
        assert!(ImageNoise::at_call(&image, 2).unwrap().is_none());
    }
}
