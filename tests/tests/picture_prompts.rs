//! IP-Adapters against Python diffusers and Python transformers, on tiny models.
//!
//! `tests/fixtures/make_picture_prompts.py` made the fixtures.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::checkpoint::Checkpoint;
use vernier_engine::device::Dtype;
use vernier_engine::measure::ClipPreprocessing;
use vernier_engine::models::unet::{UNet, UNetConfig};
use vernier_engine::picture::{Picture, read_image, read_pixels};
use vernier_engine::picture_prompts::{
    EncoderNeed, PicturePrompt, PicturePromptFile, PicturePromptLibrary, VisionEncoder, clip_pixels,
};
use vernier_engine::recipe::{self, Edit, Highres, Recipe, Source};
use vernier_engine::render::{Flow, Rendered, Renderer};
use vernier_engine::weights::{SafetensorsFile, save};
use vernier_tests::{fixtures, write_picture_prompts, write_tiny_models};

/// Largest difference of one channel of one pixel, of 255.
const TOLERANCE: u8 = 2;

/// Written once, before any picture is rendered: models, and picture prompts in `prompts`.
static FILES: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_tiny_models(folder.path()).unwrap();
    write_picture_prompts(&folder.path().join("prompts")).unwrap();
    folder
});

fn place(name: &str) -> PathBuf {
    FILES.path().join(name)
}

fn recipes() -> Vec<Recipe> {
    recipe::read(&place("prompts/pictures.json")).unwrap()
}

fn library() -> AdapterLibrary {
    let prompts = PicturePromptLibrary::new(vec![place("prompts")], Vec::new(), Vec::new());
    AdapterLibrary::default().with_picture_prompts(prompts)
}

fn load(model: &str) -> Renderer {
    let mut renderer = Renderer::load(&place(model), Dtype::F32, Device::Cpu).unwrap();
    renderer.set_adapters(library());
    renderer
}

fn rendered(renderer: &mut Renderer, recipe: &Recipe) -> Rendered {
    renderer.render(recipe, &mut |_| Flow::Continue).unwrap()
}

fn render(renderer: &mut Renderer, recipe: &Recipe) -> Picture {
    rendered(renderer, recipe).picture
}

fn refused(renderer: &mut Renderer, recipe: &Recipe) -> String {
    let error = renderer.render(recipe, &mut |_| Flow::Continue);
    error.unwrap_err().to_string()
}

fn largest_difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!((a.width_px, a.height_px), (b.width_px, b.height_px));
    let apart = a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b));
    apart.max().unwrap()
}

fn apart(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

fn seen(name: &str) -> Tensor {
    let file = SafetensorsFile::open(&place("prompts/seen.safetensors")).unwrap();
    file.tensor(name, Kind::Float, Device::Cpu)
        .unwrap()
        .unwrap()
}

fn picture(name: &str) -> Picture {
    read_image(&place("prompts").join(format!("{name}.png"))).unwrap()
}

#[test]
fn pictures_are_prepared_as_transformers_prepares_them() {
    let clip = ClipPreprocessing::default();
    for name in ["a", "b"] {
        let own = clip_pixels(&picture(name), 28, &clip).unwrap();
        let difference = apart(&own, &seen(&format!("{name}.pixels")));
        assert!(difference < 1e-5, "{name}: {difference}");
    }
    let own = clip_pixels(&picture("b"), 224, &clip).unwrap();
    let own = own.slice(2, 0, 224, 8).slice(3, 0, 224, 8);
    let difference = apart(&own, &seen("b.pixels224"));
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn the_image_tower_sees_what_transformers_tower_sees() {
    let encoder = VisionEncoder::look(&place("prompts/image_encoder"));
    let encoder = encoder.unwrap().unwrap();
    assert!(encoder.gives(EncoderNeed::Projected(40)) && encoder.gives(EncoderNeed::Hidden(48)));
    assert!(!encoder.gives(EncoderNeed::Projected(48)));
    let tower = encoder.load(Kind::Float, Device::Cpu).unwrap();
    for (name, need, wanted) in [
        (Some("a"), EncoderNeed::Projected(40), "a.projected"),
        (Some("b"), EncoderNeed::Hidden(48), "b.hidden"),
        (None, EncoderNeed::Hidden(48), "nothing.hidden"),
    ] {
        let own = name.map(picture);
        let difference = apart(&tower.see(own.as_ref(), need).unwrap(), &seen(wanted));
        assert!(difference < 2e-5, "{wanted}: {difference}");
    }
}

fn unet(model: &str) -> UNet {
    let checkpoint = Checkpoint::open(&place(model)).unwrap();
    let config: UNetConfig = checkpoint.component_config("unet").unwrap();
    let store = checkpoint.component_params("unet", Kind::Float, Device::Cpu);
    UNet::new(&store.unwrap().root(), &config).unwrap()
}

#[test]
fn tokens_are_those_of_diffusers() {
    let unet = unet("sd1");
    for (file, number, kind, pictures) in [
        ("base_sd1.bin", 3, "base", ["a", "b"].as_slice()),
        ("plus_sd1.safetensors", 2, "plus", &["a"]),
        ("plus_sd1.safetensors", 4, "plus", &["b", "a"]),
        ("full_face_sd1.safetensors", 7, "full_face", &["a"]),
    ] {
        let adapter = PicturePrompt::read(&place("prompts").join(file), &unet).unwrap();
        assert!(adapter.notes.is_empty(), "{:?}", adapter.notes);
        let source = if kind == "base" {
            "projected"
        } else {
            "hidden"
        };
        let of = |name: &&str| seen(&format!("{name}.{source}"));
        let embeddings = Tensor::cat(&pictures.iter().map(of).collect::<Vec<_>>(), 0);
        let nothing = if kind == "base" {
            embeddings.zeros_like()
        } else {
            seen("nothing.hidden").expand_as(&embeddings)
        };
        for (what, embeddings) in [("tokens", embeddings), ("negative", nothing)] {
            let wanted = seen(&format!("{number}.{kind}.{what}"));
            let difference = apart(&adapter.tokens(&embeddings).unwrap(), &wanted);
            assert!(difference < 1e-5, "{file}, {what}: {difference}");
        }
    }
}

#[test]
fn pictures_are_those_of_diffusers() {
    let mut wrong = Vec::new();
    for (number, recipe) in recipes().iter().enumerate() {
        let file = format!("prompts/{:04}-{}.png", number + 1, recipe.seed);
        let expected = read_pixels(&place(&file)).unwrap();
        let mut renderer = load(&recipe.model.name);
        let made = rendered(&mut renderer, recipe);
        assert!(made.notes.is_empty(), "{:?}", made.notes);
        let own = &made.recipe.picture_prompts[0];
        assert!(own.hash.len() == 64 && own.pictures[0].hash.len() == 64);
        let difference = largest_difference(&made.picture, &expected);
        let mut plain = recipe.clone();
        plain.picture_prompts.clear();
        let moved = largest_difference(&render(&mut renderer, &plain), &expected);
        if difference > TOLERANCE || moved < 10 {
            wrong.push(format!("{}: {difference} apart, {moved} moved", number + 1));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn weight_zero_is_no_adapter_and_what_was_seen_serves_every_weight() {
    let mut renderer = load("sd1");
    let mut recipe = recipes()[1].clone();
    let whole = render(&mut renderer, &recipe);
    let mut plain = recipe.clone();
    plain.picture_prompts.clear();
    let plain = render(&mut renderer, &plain);
    recipe.picture_prompts[0].weight = 0.0;
    assert_eq!(render(&mut renderer, &recipe), plain);
    // Nothing is looked for where nothing counts.
    recipe.picture_prompts[0].name = "gone".to_owned();
    assert_eq!(render(&mut renderer, &recipe), plain);
    // The tower may be gone by now.
    let tower = place("prompts/image_encoder");
    let mut moved = load("sd1");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("plus_sd1.safetensors");
    std::fs::copy(place("prompts/plus_sd1.safetensors"), &copy).unwrap();
    let beside = folder.path().join("image_encoder");
    vernier_tests::copy_folder(&tower, &beside);
    let mut recipe = recipes()[1].clone();
    recipe.picture_prompts[0].path = Some(copy.to_string_lossy().into_owned());
    assert_eq!(render(&mut moved, &recipe), whole);
    std::fs::remove_dir_all(&beside).unwrap();
    recipe.picture_prompts[0].weight = 0.3;
    let less = render(&mut moved, &recipe);
    assert_ne!(less, whole);
    assert_ne!(less, plain);
    // Another picture has to be seen.
    recipe.picture_prompts[0].pictures = recipes()[4].picture_prompts[0].pictures.clone();
    let said = refused(&mut moved, &recipe);
    assert!(
        said.contains("width 48") && said.contains("image_encoder"),
        "{said}"
    );
}

#[test]
fn a_window_of_the_steps_shares_the_work_before_it() {
    let mut renderer = load("sd1");
    let mut recipe = recipes()[0].clone();
    let whole = render(&mut renderer, &recipe);
    recipe.picture_prompts[0].start = 0.4;
    let mut calls = 0;
    let mut counted = |recipe: &Recipe| {
        calls = 0;
        let made = renderer.render(recipe, &mut |_| {
            calls += 1;
            Flow::Continue
        });
        (made.unwrap().picture, calls)
    };
    let (late, all) = counted(&recipe);
    assert_ne!(late, whole);
    recipe.picture_prompts[0].weight = 0.3;
    let (other, some) = counted(&recipe);
    assert_ne!(other, late);
    assert_eq!((all, some), (6, 4), "two of five steps are shared");
    recipe.picture_prompts[0].start = 0.0;
    recipe.picture_prompts[0].end = 0.4;
    let (early, _) = counted(&recipe);
    assert_ne!(early, other);
    // The same picture from nothing.
    assert_eq!(render(&mut load("sd1"), &recipe), early);
}

#[test]
fn sources_larger_passes_and_edits_hear_it_too() {
    let mut renderer = load("sd1");
    let with = recipes()[0].clone();
    let mut plain = with.clone();
    plain.picture_prompts.clear();
    let source = recipes()[4].picture_prompts[0].pictures[0].clone();
    let change = |recipe: &Recipe, how: u8| {
        let mut recipe = recipe.clone();
        recipe.source = (how != 1).then(|| Source::new(source.clone(), 0.8));
        if how == 1 {
            recipe.highres = Some(Highres {
                factor: 1.5,
                ..Highres::new()
            });
        }
        if how == 2 {
            recipe.prompt = "a red car".to_owned();
            let change = serde_json::json!({"from": "car", "to": "dog",
                "mask": {"picture": {"path": place("prompts/mask.png")}}});
            let mut edit = Edit::new(vec![serde_json::from_value(change).unwrap()]);
            edit.unknown.clear();
            recipe.edit = Some(edit);
        }
        recipe
    };
    for how in 0..3 {
        let heard = render(&mut renderer, &change(&with, how));
        let unheard = render(&mut renderer, &change(&plain, how));
        assert!(largest_difference(&heard, &unheard) > 5, "{how}");
        let mut idle = with.clone();
        idle.picture_prompts[0].weight = 0.0;
        assert_eq!(render(&mut renderer, &change(&idle, how)), unheard, "{how}");
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut renderer = load("sd1");
    let mut recipe = recipes()[0].clone();
    let said = |renderer: &mut Renderer, recipe: &mut Recipe, name: &str| {
        recipe.picture_prompts[0].name = name.to_owned();
        refused(renderer, recipe)
    };
    let other = said(&mut renderer, &mut recipe, "base_sdxl");
    assert!(
        other.contains("width 192") && other.contains("width 64"),
        "{other}"
    );
    let gone = said(&mut renderer, &mut recipe, "gone");
    assert!(gone.contains("there are base_sd1, base_sdxl"), "{gone}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let name = path.to_string_lossy().into_owned();
    let tensor = |name: &str, shape: &[i64]| {
        (
            name.to_owned(),
            Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
        )
    };
    let key = tensor("ip_adapter.1.to_k_ip.weight", &[32, 64]);
    let face = [
        tensor("image_proj.proj.0.weight", &[8, 8]),
        tensor("image_proj.proj.2.weight", &[8, 8]),
        tensor("image_proj.norm.weight", &[8]),
        (key.0.clone(), key.1.shallow_clone()),
    ];
    save(&path, &face, &[]).unwrap();
    let faces = said(&mut renderer, &mut recipe, &name);
    assert!(
        faces.contains("FaceID") && faces.contains("plus-face"),
        "{faces}"
    );
    save(&path, &[tensor("a.lora_down.weight", &[2, 2])], &[]).unwrap();
    let lora = said(&mut renderer, &mut recipe, &name);
    assert!(lora.contains("is no IP-Adapter"), "{lora}");
    // A tensor too many is told, one too few refused.
    let good = SafetensorsFile::open(&place("prompts/plus_sd1.safetensors")).unwrap();
    let copy = |lost: &str, more: Option<(String, Tensor)>| {
        let all = good.entries().keys().filter(|name| *name != lost);
        let all = all.map(|name| {
            let tensor = good.tensor(name, Kind::Float, Device::Cpu);
            (name.clone(), tensor.unwrap().unwrap())
        });
        save(&path, &all.chain(more).collect::<Vec<_>>(), &[]).unwrap();
    };
    recipe.picture_prompts[0].path = None;
    copy("", Some(tensor("image_proj.extra", &[2])));
    vernier_tests::copy_folder(
        &place("prompts/image_encoder"),
        &folder.path().join("image_encoder"),
    );
    recipe.picture_prompts[0].name.clone_from(&name);
    let made = rendered(&mut renderer, &recipe);
    assert!(
        made.notes[0].contains("image_proj.extra"),
        "{:?}",
        made.notes
    );
    copy("image_proj.norm_out.bias", None);
    let lacks = said(&mut renderer, &mut recipe, &name);
    assert!(lacks.contains("image_proj.norm_out.bias"), "{lacks}");
    recipe = recipes()[5].clone();
    recipe.picture_prompts[0].blocks = [("up_blocks.9".to_owned(), 1.0)].into();
    let lost = refused(&mut renderer, &recipe);
    assert!(lost.contains("up_blocks.9"), "{lost}");
}

#[test]
fn files_tell_what_they_are() {
    let line = |name: &str| {
        let path = place("prompts").join(name);
        PicturePromptLibrary::describe(&path).unwrap().unwrap()
    };
    assert!(line("base_sd1.bin").starts_with("IP-Adapter, 4 tokens, for a model"));
    assert!(line("plus_sdxl.safetensors").starts_with("IP-Adapter Plus, 5 tokens"));
    assert!(line("image_encoder").contains("3 layers of width 48, projects to 40"));
    let file = PicturePromptFile::look(&place("prompts/base_sd1.bin")).unwrap();
    assert_eq!(file.layers.into_iter().collect::<Vec<_>>(), [1, 3, 5, 7]);
    assert!(
        PicturePromptLibrary::describe(Path::new(&fixtures().join("tensors_protocol2.pt")))
            .unwrap()
            .is_none()
    );
}
