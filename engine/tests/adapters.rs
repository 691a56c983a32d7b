//! Adapters and embeddings of other programs against Python diffusers and dense loops.

#![allow(clippy::unwrap_used)] // a test may panic

mod models_common;

use std::collections::BTreeMap;
use std::path::Path;

use models_common::{assert_close, case, fixture, store, tensor};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vernier_engine::adapters::{
    Adapter, AdapterFile, Changes, Component, Embedding, Family, LoraFormat, Modules, Summary,
    convert,
};
use vernier_engine::checkpoint::Checkpoint;
use vernier_engine::models::unet::{AddedConditions, UNet, UNetConfig};
use vernier_engine::prompt::TextStage;
use vernier_engine::weights::{ParamStore, SafetensorsFile};

/// Largest difference over largest magnitude against Python.
const TOLERANCE: f64 = 1e-4;

const PROMPT: &str = "a photo of a cat on the beach";

fn adapter_file(name: &str) -> AdapterFile {
    AdapterFile::open(&fixture("adapters").join(name)).unwrap()
}

fn expected(name: &str) -> Tensor {
    let file = SafetensorsFile::open(&fixture("adapters/expected.safetensors")).unwrap();
    let tensor = file.tensor(name, Kind::Float, Device::Cpu).unwrap();
    tensor.unwrap_or_else(|| panic!("expected.safetensors lacks {name}"))
}

/// The U-Net `name` of make_models.py, with the size of its latents.
struct Case {
    unet: UNet,
    size: [i64; 2],
    /// Names and weights as they were loaded.
    store: ParamStore,
}

impl Case {
    fn new(name: &str) -> Self {
        let case = case("unet", name);
        let config: UNetConfig = serde_json::from_value(case["config"].clone()).unwrap();
        // The weights are read by now; their file may go.
        let (_folder, store) = store(&case, Kind::Float);
        let unet = UNet::new(&store.root(), &config).unwrap();
        let size = serde_json::from_value(case["size"].clone()).unwrap();
        Self { unet, size, store }
    }

    /// The output for the inputs of make_adapters.py.
    fn run(&self) -> Tensor {
        let _guard = tch::no_grad_guard();
        let added = AddedConditions {
            pooled: Some(tensor("pooled", &[2, 16], 1.0, 0.0)),
            time_ids: Some(tensor("time_ids", &[2, 6], 256.0, 256.0)),
            timestep_cond: None,
        };
        let [height, width] = self.size;
        let latents = tensor("latents", &[2, 4, height, width], 1.0, 0.0);
        let timesteps = Tensor::from_slice(&[981.0_f32, 20.5]);
        let text = tensor("text", &[2, 7, 32], 1.0, 0.0);
        let context = self.unet.text_context(&text).unwrap();
        let output = self
            .unet
            .forward(&latents, &timesteps, &context, Some(&added), None);
        output.unwrap()
    }

    fn put(&self, adapters: &[(&Adapter, f64)]) -> Changes {
        let changes = Changes::of_unet(&self.unet, adapters).unwrap();
        changes.put_on_unet(&self.unet);
        changes
    }

    fn read(&self, file: &AdapterFile, text: &TextStage) -> Adapter {
        Adapter::read(file, &self.modules(text)).unwrap()
    }

    fn modules(&self, text: &TextStage) -> Modules {
        Modules::of(&self.unet, &[text.encoder()])
    }
}

fn text_stage() -> TextStage {
    let folder = Checkpoint::open(&fixture("text_sd15")).unwrap();
    folder.load_text(Kind::Float, Device::Cpu).unwrap()
}

fn encode(text: &TextStage, prompt: &str) -> Tensor {
    text.encode(prompt, 1)
        .unwrap()
        .context()
        .unwrap()
        .unsqueeze(0)
}

#[test]
fn every_layout_gives_the_output_of_python() {
    let text = text_stage();
    let cases = std::fs::read_to_string(fixture("adapters/cases.json")).unwrap();
    let cases: BTreeMap<String, Value> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() >= 11);
    for (name, about) in &cases {
        let case = Case::new(about["model"].as_str().unwrap());
        let plain = case.run();
        let file = adapter_file(about["file"].as_str().unwrap());
        let adapter = case.read(&file, &text);
        assert!(adapter.notes.is_empty(), "{name}: {:?}", adapter.notes);
        for weight in about["weights"].as_array().unwrap() {
            let weight = weight.as_f64().unwrap();
            let changes = case.put(&[(&adapter, weight)]);
            let what = format!("{name}.unet@{weight:?}");
            assert_close(&what, &case.run(), &expected(&what), TOLERANCE);
            // To other weights and back, where that can be done in place.
            if changes.set_weights(&[-0.5]).unwrap() {
                assert!(apart(&case.run(), &plain) > 1e-3, "{what}");
                changes.set_weights(&[weight]).unwrap();
                assert_close(&what, &case.run(), &expected(&what), TOLERANCE);
            }
        }
        case.put(&[(&adapter, 0.0)]);
        assert_eq!(case.run(), plain, "{name} at 0 is not there");
        case.put(&[]);
        assert_eq!(case.run(), plain, "{name} leaves nothing behind");
    }
}

fn apart(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).unwrap()
}

#[test]
fn the_text_encoder_changes_as_in_python() {
    let text = text_stage();
    let case = Case::new("sd1");
    let plain = encode(&text, PROMPT);
    assert_close("none.text", &plain, &expected("none.text"), TOLERANCE);
    for name in ["kohya", "peft"] {
        let adapter = case.read(&adapter_file(&format!("{name}.safetensors")), &text);
        for weight in [1.0, 0.6] {
            let adapters = [(&adapter, weight)];
            let changes = Changes::of_text(text.encoder(), Component::TextEncoder, &adapters);
            changes.unwrap().put_on_text(text.encoder());
            let what = format!("{name}.text@{weight:?}");
            assert_close(&what, &encode(&text, PROMPT), &expected(&what), TOLERANCE);
        }
    }
    Changes::default().put_on_text(text.encoder());
    assert_eq!(encode(&text, PROMPT), plain);
}

#[test]
fn unmerged_branches_are_the_merged_weights() {
    let text = text_stage();
    let case = Case::new("sd1");
    let files = ["kohya.safetensors", "old.safetensors", "locon.safetensors"].map(adapter_file);
    let adapters = files.each_ref().map(|file| case.read(file, &text));
    let weights = [0.7, -1.3, 0.4];
    let at_work: Vec<_> = adapters.iter().zip(weights).collect();
    case.put(&at_work);
    let unmerged = case.run();
    case.put(&[]);
    let plain = case.run();
    let own: BTreeMap<String, Tensor> = case.store.named().into_iter().collect();
    let before: Vec<Tensor> = own.values().map(Tensor::copy).collect();
    let _guard = tch::no_grad_guard();
    for (adapter, weight) in at_work {
        for ((component, path), delta) in &adapter.layers {
            if *component == Component::UNet {
                let weight_of_layer = &own[&format!("{path}.weight")];
                let delta = delta.weight.as_ref().unwrap();
                let dense = delta.dense(&weight_of_layer.size()).unwrap();
                let _ = weight_of_layer.shallow_clone().g_add_(&(dense * weight));
            }
        }
    }
    assert_close("merged", &unmerged, &case.run(), TOLERANCE);
    for (weight, before) in own.values().zip(&before) {
        weight.shallow_clone().copy_(before);
    }
    assert_eq!(case.run(), plain, "unmerged again, to the last bit");
}

#[test]
fn embeddings_give_the_states_of_python() {
    let mut text = text_stage();
    let prompt = "a photo of inkcat, wearing a blue hat and inkcat";
    let plain = encode(&text, prompt);
    for (file, what) in [
        ("ti_diffusers.bin", "ti.one"),
        ("ti_a1111.pt", "ti.two"),
        ("ti_diffusers.safetensors", "ti.two"),
        ("ti_kohya.safetensors", "ti.two"),
    ] {
        let embedding = Embedding::read(&fixture("adapters").join(file)).unwrap();
        let vectors = embedding.for_encoder(0, 32).unwrap().shallow_clone();
        text.set_added(&[("inkcat".to_owned(), vec![vectors])])
            .unwrap();
        assert_close(file, &encode(&text, prompt), &expected(what), TOLERANCE);
    }
    // The word's tokens are found where the word stands.
    let span = text.encode(prompt, 1).unwrap();
    let spans = span.find_all("inkcat");
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].tokens.len(), 2);
    text.set_added(&[]).unwrap();
    assert_eq!(encode(&text, prompt), plain);

    let sdxl = Embedding::read(&fixture("adapters/ti_sdxl.safetensors")).unwrap();
    let said = sdxl.for_encoder(0, 32).unwrap_err().to_string();
    assert!(said.contains("for SDXL's two text encoders"), "{said}");
    assert_eq!(sdxl.for_encoder(1, 1280).unwrap().size(), [2, 1280]);

    let file = adapter_file("bundle.safetensors");
    let bundled = Embedding::bundled(&file).unwrap();
    assert_eq!((bundled[0].0.as_str(), bundled[0].1.count()), ("inkcat", 2));
    assert!(Case::new("sd1").read(&file, &text).notes.is_empty());
}

#[test]
fn what_is_for_another_model_is_told() {
    let text = text_stage();
    let case = Case::new("sdxl");
    let said = |name: &str, case: &Case| {
        let file = adapter_file(name);
        Adapter::read(&file, &case.modules(&text))
            .unwrap_err()
            .to_string()
    };
    // What two small models have in common is used, the rest is named.
    let small = Case::new("sd1");
    let read = Adapter::read(&adapter_file("sgm.safetensors"), &small.modules(&text)).unwrap();
    assert!(
        read.notes[0].contains("does not have are left out: lora_unet_input_blocks_3_1"),
        "{:?}",
        read.notes
    );
    let error = said("ti_kohya.safetensors", &case);
    assert!(error.contains("--embedding"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xl.safetensors");
    let wide = |rows, columns| Tensor::zeros([rows, columns], (Kind::Float, Device::Cpu));
    let name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
    let write = |tensors: &[(String, Tensor)], metadata: &[(&str, String)]| {
        vernier_engine::weights::save(&path, tensors, metadata).unwrap();
        AdapterFile::open(&path).unwrap()
    };
    let tensors = [
        (format!("{name}.lora_down.weight"), wide(4, 2048)),
        (format!("{name}.lora_up.weight"), wide(640, 4)),
    ];
    let file = write(&tensors, &[]);
    assert_eq!(Family::of_file(&file), Some(Family::Sdxl));
    let modules = Case::new("sd1").modules(&text);
    let error = Adapter::read(&file, &modules).unwrap_err().to_string();
    assert!(error.contains("is made for SDXL"), "{error}");
    assert!(error.contains("reads text of width 32"), "{error}");

    // What is of no use is named, what is half is refused.
    let q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
    let whole = [
        (format!("{q}.lora_down.weight"), wide(4, 64)),
        (format!("{q}.lora_up.weight"), wide(64, 4)),
    ];
    let mut more: Vec<(String, Tensor)> = whole
        .iter()
        .map(|(n, t)| (n.clone(), t.shallow_clone()))
        .collect();
    more.push((format!("{q}.oft_blocks"), wide(2, 2)));
    more.push((
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha".to_owned(),
        wide(1, 1),
    ));
    let adapter = Adapter::read(&write(&more, &[]), &modules).unwrap();
    let notes = adapter.notes.join("; ");
    assert!(
        notes.contains("oft_blocks") && notes.contains("lora_te2_"),
        "{notes}"
    );
    let error = Adapter::read(&write(&whole[..1], &[]), &modules)
        .unwrap_err()
        .to_string();
    assert!(error.contains("without the Up"), "{error}");
    for (key, family) in [
        ("sdxl_base_v1-0", Family::Sdxl),
        ("sd_v2", Family::StableDiffusion2),
        ("sd_v1", Family::StableDiffusion1),
    ] {
        let file = write(&whole, &[("ss_base_model_version", key.to_owned())]);
        assert_eq!(Family::of_file(&file), Some(family));
    }
}

/// All tensors of a file by name, as bytes with dtype and shape.
fn contents(path: &Path) -> BTreeMap<String, (String, Vec<i64>, Vec<u8>)> {
    let file = SafetensorsFile::open(path).unwrap();
    let entries = file.entries().iter();
    let entries = entries.map(|(name, entry)| {
        let kind = if entry.dtype == "F16" {
            Kind::Half
        } else {
            Kind::Float
        };
        let tensor = file.tensor(name, kind, Device::Cpu).unwrap().unwrap();
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.contiguous().copy_data_u8(&mut bytes, tensor.numel());
        (
            name.clone(),
            (entry.dtype.clone(), entry.shape.clone(), bytes),
        )
    });
    entries.collect()
}

#[test]
fn a_lora_comes_back_from_the_other_naming_bit_for_bit() {
    let text = text_stage();
    let case = Case::new("sd1");
    let folder = tempfile::tempdir().unwrap();
    for name in ["kohya", "dora"] {
        let source = fixture("adapters").join(format!("{name}.safetensors"));
        let there = folder.path().join(format!("{name}-peft.safetensors"));
        let back = folder.path().join(format!("{name}-kohya.safetensors"));
        let file = AdapterFile::open(&source).unwrap();
        convert(&file, LoraFormat::Peft, &there).unwrap();
        let peft = AdapterFile::open(&there).unwrap();
        convert(&peft, LoraFormat::Kohya, &back).unwrap();
        assert_eq!(contents(&source), contents(&back), "{name}");
        let metadata = AdapterFile::open(&back).unwrap().metadata;
        assert_eq!(metadata["ss_network_module"], "networks.lora");
        assert_eq!(metadata["ss_network_dim"], "2");
        // The other names say the same.
        case.put(&[(&case.read(&peft, &text), 1.0)]);
        let what = format!("{name}.unet@1.0");
        assert_close(&what, &case.run(), &expected(&what), TOLERANCE);
        let error = convert(&file, LoraFormat::Peft, &there).unwrap_err();
        assert!(error.is_usage(), "{error}");
    }
    // And from PEFT there and back.
    let source = fixture("adapters/peft.safetensors");
    let there = folder.path().join("there.safetensors");
    let back = folder.path().join("back.safetensors");
    convert(
        &AdapterFile::open(&source).unwrap(),
        LoraFormat::Kohya,
        &there,
    )
    .unwrap();
    convert(&AdapterFile::open(&there).unwrap(), LoraFormat::Peft, &back).unwrap();
    assert_eq!(contents(&source), contents(&back));
    // Those of the original code come back under them.
    let sgm = adapter_file("lokr.safetensors");
    let error = convert(&sgm, LoraFormat::Peft, &folder.path().join("x")).unwrap_err();
    assert!(error.to_string().contains("only LoRA and DoRA"), "{error}");
}

#[test]
fn a_summary_tells_what_a_file_is() {
    let summary = Summary::of(&adapter_file("kohya.safetensors")).unwrap();
    assert_eq!(summary.naming, "kohya");
    assert_eq!(summary.kinds["LoRA"], 11);
    assert_eq!(summary.ranks.iter().copied().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(summary.scales, Some((0.5, 1.5)));
    assert_eq!(summary.trigger_words, ["inkcat", "sitting"]);
    assert_eq!(summary.family, Some(Family::Width(32)));
    assert_eq!(summary.touches["U-Net, text attention"], 2);
    let summary = Summary::of(&adapter_file("lokr.safetensors")).unwrap();
    assert_eq!((summary.naming, summary.kinds["LoKr"]), ("LyCORIS", 7));
    assert_eq!(Summary::of(&adapter_file("raw")).unwrap().naming, "PEFT");
    let bundle = Summary::of(&adapter_file("bundle.safetensors")).unwrap();
    assert_eq!(bundle.embeddings.iter().collect::<Vec<_>>(), ["inkcat"]);
}
