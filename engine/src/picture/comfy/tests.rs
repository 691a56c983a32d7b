use serde_json::{Value, json};

use super::ComfyGraph;
use crate::prompt::PromptSyntax;
use crate::recipe::tests::sample;
use crate::recipe::{AdapterUse, Recipe, TextOptions};

fn plain() -> Value {
    json!({
        "3": {"class_type": "KSampler", "inputs": {
            "seed": 156_680_208_700_286_u64, "steps": 25, "cfg": 6.5, "sampler_name":
            "dpmpp_2m", "scheduler": "karras", "denoise": 1.0, "model": ["10", 0],
            "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.ckpt"}},
        "5": {"class_type": "EmptyLatentImage", "inputs":
            {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["12", 0]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["10", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs":
            {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
        "12": {"class_type": "CLIPSetLastLayer", "inputs":
            {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
        "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "style\\ink v1.5.safetensors",
            "strength_model": 0.8, "strength_clip": 0.5, "model": ["4", 0], "clip": ["4", 1]}},
        "11": {"class_type": "PrimitiveString", "inputs": {"value": "blurry"}},
    })
}

fn read(graph: &Value) -> (Recipe, Vec<String>) {
    ComfyGraph::parse(&graph.to_string())
        .unwrap()
        .over(&sample())
}

#[test]
fn a_plain_graph_is_taken_over() {
    let (recipe, notes) = read(&plain());
    let expected = Recipe {
        prompt: "a cat".to_owned(),
        negative_prompt: "blurry".to_owned(),
        seed: 156_680_208_700_286,
        width_px: 512,
        height_px: 768,
        steps: 25,
        guidance_scale: 6.5,
        sampler: "dpmpp_2m_karras".to_owned(),
        text: TextOptions {
            prompt_syntax: PromptSyntax::ComfyUi,
            clip_skip: Some(2),
        },
        adapters: vec![AdapterUse {
            text_weight: 0.5,
            ..AdapterUse::new("ink v1.5", 0.8)
        }],
        ..sample()
    };
    assert_eq!(recipe, expected);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("v1-5.ckpt"), "{notes:?}");
}

#[test]
fn of_two_passes_the_first_counts() {
    let mut graph = plain();
    let mut second = graph["3"].clone();
    second["inputs"]["seed"] = json!(5);
    second["inputs"]["latent_image"] = json!(["20", 0]);
    graph["21"] = second;
    graph["20"] = json!({"class_type": "LatentUpscale", "inputs":
        {"samples": ["3", 0], "width": 1024, "height": 1536}});
    graph["8"]["inputs"]["samples"] = json!(["21", 0]);
    let (recipe, notes) = read(&graph);
    assert_eq!(recipe.seed, 156_680_208_700_286);
    assert_eq!((recipe.width_px, recipe.height_px), (512, 768));
    assert!(notes[0].starts_with("1 later"), "{notes:?}");
}

#[test]
fn custom_samplers_and_what_lies_on_the_way_are_read() {
    let mut graph = plain();
    graph["3"] = json!({"class_type": "SamplerCustomAdvanced", "inputs": {
        "noise": ["30", 0], "guider": ["31", 0], "sampler": ["32", 0], "sigmas": ["33", 0],
        "latent_image": ["5", 0]}});
    graph["30"] = json!({"class_type": "RandomNoise", "inputs": {"noise_seed": 12}});
    graph["31"] = json!({"class_type": "CFGGuider", "inputs": {"cfg": 4,
        "model": ["4", 0], "positive": ["34", 0], "negative": ["34", 1]}});
    graph["32"] = json!({"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}});
    graph["33"] = json!({"class_type": "BasicScheduler", "inputs":
        {"scheduler": "beta", "steps": 9, "denoise": 1, "model": ["4", 0]}});
    graph["34"] = json!({"class_type": "ControlNetApplyAdvanced", "inputs": {
        "positive": ["6", 0], "negative": ["7", 0], "strength": 1}});
    let (recipe, notes) = read(&graph);
    assert_eq!(
        (recipe.seed, recipe.steps, recipe.guidance_scale),
        (12, 9, 4.0)
    );
    assert_eq!(
        (recipe.prompt.as_str(), recipe.negative_prompt.as_str()),
        ("a cat", "blurry")
    );
    assert_eq!(recipe.sampler, "euler");
    let all = notes.join("; ");
    assert!(
        all.contains("beta") && all.contains("ControlNetApplyAdvanced"),
        "{all}"
    );
}

#[test]
fn circles_and_holes_end_and_are_told() {
    let mut graph = plain();
    graph["6"] = json!({"class_type": "Pass", "inputs": {"conditioning": ["6", 0]}});
    graph["5"] = json!({"class_type": "VAEEncode", "inputs": {"pixels": ["99", 0]}});
    graph["3"]["inputs"]["seed"] = json!(["98", 0]);
    graph["3"]["inputs"]["sampler_name"] = json!("res_multistep");
    let (recipe, notes) = read(&graph);
    assert_eq!(
        (recipe.seed, recipe.width_px),
        (sample().seed, sample().width_px)
    );
    let all = notes.join("; ");
    for word in [
        "seed",
        "res_multistep",
        "prompt could not",
        "another picture",
    ] {
        assert!(all.contains(word), "{word}: {all}");
    }
}

#[test]
fn other_json_is_no_graph_and_python_s_numbers_are_read() {
    for text in ["", "[]", "{}", "{\"version\": 1}", "{\"nodes\": []}"] {
        assert!(ComfyGraph::parse(text).is_none(), "{text}");
    }
    let text = r#"{"1": {"class_type": "A", "inputs": {}, "is_changed": [NaN]}}"#;
    let (recipe, notes) = ComfyGraph::parse(text).unwrap().over(&sample());
    assert_eq!(recipe, sample());
    assert!(notes[0].contains("no sampler"));
}
