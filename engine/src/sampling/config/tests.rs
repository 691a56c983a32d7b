use super::*;
use crate::sampling::{SamplerName, build};

fn from(json: &Value) -> Result<SchedulerConfig> {
    SchedulerConfig::from_map(json.as_object().unwrap(), "scheduler_config.json")
}

#[test]
fn reads_what_python_writes_infinities_and_unknown_fields_included() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scheduler_config.json");
    let text = "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"future\": \"\\\"Infinity\", \
                \"lambda_min_clipped\": -Infinity, \"trained_betas\": null, \
                \"use_karras_sigmas\": true, \"beta_start\": 0.00085}";
    std::fs::write(&path, text).unwrap();
    let config = SchedulerConfig::read(&path).unwrap();
    assert!(config.lambda_min_clipped == f64::NEG_INFINITY);
    assert_eq!(config.beta_start, Some(0.00085));
    assert_eq!(
        SamplerName::default_for(&config).unwrap(),
        SamplerName::Dpmpp2mKarras
    );
}

#[test]
fn a_wrong_value_names_file_and_field() {
    for (field, value) in [
        ("beta_schedule", serde_json::json!("exponential")),
        ("prediction_type", serde_json::json!("flow_prediction")),
        ("timestep_spacing", serde_json::json!("karras")),
        ("steps_offset", serde_json::json!(-1)),
        ("num_train_timesteps", serde_json::json!(0)),
        ("trained_betas", serde_json::json!([0.1, 0.2])),
        ("beta_start", serde_json::json!("0.1")),
        ("beta_end", serde_json::json!(1.5)),
        ("solver_order", serde_json::json!(4)),
        ("thresholding", serde_json::json!("no")),
        ("final_sigmas_type", serde_json::json!("one")),
    ] {
        let message = from(&serde_json::json!({ field: value }))
            .unwrap_err()
            .to_string();
        assert!(message.contains("scheduler_config.json"), "{message}");
        assert!(message.contains(&format!("\"{field}\"")), "{message}");
    }
}

#[test]
fn a_value_that_one_sampler_cannot_use_leaves_the_others_alone() {
    for (field, value, refused, works) in [
        (
            "thresholding",
            serde_json::json!(true),
            SamplerName::Ddim,
            SamplerName::Pndm,
        ),
        (
            "use_beta_sigmas",
            serde_json::json!(true),
            SamplerName::Euler,
            SamplerName::Ddim,
        ),
        (
            "algorithm_type",
            serde_json::json!("sde-dpmsolver"),
            SamplerName::Dpmpp2m,
            SamplerName::Lms,
        ),
        (
            "variance_type",
            serde_json::json!("learned"),
            SamplerName::Dpmpp2mKarras,
            SamplerName::Ddim,
        ),
        (
            "timestep_type",
            serde_json::json!("continuous"),
            SamplerName::Euler,
            SamplerName::EulerA,
        ),
        (
            "prediction_type",
            serde_json::json!("sample"),
            SamplerName::Kdpm2,
            SamplerName::Lms,
        ),
    ] {
        let config = from(&serde_json::json!({ field: value })).unwrap();
        let message = build(refused, &config, 20).err().unwrap().to_string();
        assert!(message.contains(&format!("\"{field}\"")), "{message}");
        build(works, &config, 20).unwrap();
    }
}

#[test]
fn pure_noise_and_epsilon_do_not_go_together() {
    let json = serde_json::json!({
        "rescale_betas_zero_snr": true, "timestep_spacing": "trailing"
    });
    let message = build(SamplerName::Ddim, &from(&json).unwrap(), 20)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("rescale_betas_zero_snr"), "{message}");
}

#[test]
fn an_unknown_class_lists_the_samplers() {
    let config = from(&serde_json::json!({ "_class_name": "DEISMultistepScheduler" })).unwrap();
    let message = SamplerName::default_for(&config).unwrap_err().to_string();
    assert!(
        message.contains("DEISMultistepScheduler") && message.contains("dpmpp_2m_karras"),
        "{message}"
    );
}

#[test]
fn an_old_folder_is_corrected_as_the_pipeline_corrects_it() {
    let config = from(&serde_json::json!({ "_class_name": "DDIMScheduler" })).unwrap();
    let first = |config: &SchedulerConfig| {
        let sampler = build(SamplerName::Ddim, config, 20).unwrap();
        sampler.schedule().timesteps.first().copied()
    };
    assert_eq!(first(&config), Some(950.0));
    let corrected = config.corrected_for_stable_diffusion();
    assert_eq!(first(&corrected), Some(951.0));
    assert_eq!(corrected.clip_sample, Some(false));
}
