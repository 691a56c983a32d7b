use super::*;
use crate::recipe::tests::sample;
use crate::recipe::{AdapterUse, Highres, MaskUse, PictureRef, Source, TextOptions, UpscalerUse};

#[test]
fn what_a_recipe_says_to_others_can_be_taken_back() {
    for sampler in SamplerName::ALL {
        let mut recipe = sample();
        recipe.text = TextOptions::A1111;
        sampler.name().clone_into(&mut recipe.sampler);
        if sampler == SamplerName::UniPc {
            recipe.walk.schedule = "trailing".to_owned();
            recipe.walk.zero_terminal_snr = true;
            recipe.text.clip_skip = Some(2);
            recipe.adapters = vec![AdapterUse::new("ink v1.5", 0.8)];
            recipe.adapters.push(AdapterUse {
                text_weight: 0.25,
                ..AdapterUse::new("night", -1.0)
            });
        }
        if sampler == SamplerName::Lms {
            recipe.text = TextOptions::default();
            recipe.prompt = "a cat (asleep)".to_owned();
        }
        let text = Parameters::of(&recipe).to_text();
        let mut base = sample();
        (base.seed, base.steps, base.guidance_scale) = (99, 3, 1.5);
        base.prompt.clear();
        let (read, notes) = Parameters::parse(&text).over(&base);
        assert_eq!((read, notes), (recipe, Vec::new()), "{sampler}");
    }
}

#[test]
fn second_passes_come_and_go() {
    let mut recipe = sample();
    recipe.text = TextOptions::A1111;
    recipe.highres = Some(Highres {
        factor: 1.5,
        strength: 0.4,
        steps: Some(25),
        upscaler: Some(UpscalerUse::new("4x-UltraSharp")),
        ..Highres::new()
    });
    let parameters = Parameters::of(&recipe);
    assert_eq!(parameters.field("Hires steps"), Some("10"));
    let (read, notes) = parameters.over(&sample());
    assert_eq!((read, notes), (recipe, Vec::new()));

    let text = "cat\nSteps: 20, Sampler: Euler a, Seed: 5, Denoising strength: 0.5, Hires \
                upscale: 2, Hires upscaler: Latent";
    let (read, notes) = Parameters::parse(text).over(&sample());
    let highres = read.highres.unwrap();
    assert_eq!(
        (highres.factor, highres.walked_steps(read.steps)),
        (2.0, 20)
    );
    assert_eq!(notes, ["Hires upscaler: \"Latent\" cannot be taken over"]);
}

#[test]
fn what_cannot_be_taken_over_is_named() {
    let text = "a cat\nSteps: many, Sampler: Restart, CFG scale: 7, Seed: 5, Emphasis: Ignore";
    let (recipe, notes) = Parameters::parse(text).over(&sample());
    assert_eq!((recipe.prompt.as_str(), recipe.seed), ("a cat", 5));
    assert_eq!(recipe.sampler, sample().sampler);
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[1].contains("Ignore") && notes[2].contains("Restart"));
}

#[test]
fn the_text_is_what_other_programs_expect() {
    let mut recipe = sample();
    recipe.model.hash = "0123456789abcdef".to_owned();
    recipe.sampler = "dpmpp_2m_karras".to_owned();
    let expected = format!(
        "a black cat and a white dog in a room\nNegative prompt: blurry\nSteps: 20, Sampler: \
         DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 128x64, Model hash: \
         0123456789, Model: miniature, RNG: CPU, Version: vernier {}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(Parameters::of(&recipe).to_text(), expected);
}

#[test]
fn schedules_of_the_web_ui_are_taken_over() {
    for (sampler, schedule, name, expected) in [
        ("Euler a", "Karras", "euler_a", "karras"),
        ("Euler a Karras", "", "euler_a", "karras"),
        ("DPM++ 2M", "Automatic", "dpmpp_2m_karras", "model"),
        ("DPM++ 2M SDE", "Automatic", "dpmpp_2m_sde", "exponential"),
        ("DPM++ SDE Karras", "", "dpmpp_sde", "karras"),
        ("Heun", "SGM Uniform", "heun", "sgm_uniform"),
        ("DPM2 a", "Uniform", "kdpm2_a", "linspace"),
    ] {
        let schedule = match schedule {
            "" => String::new(),
            name => format!(", Schedule type: {name}"),
        };
        let text = format!("(cat:1.2)\nSteps: 9, Sampler: {sampler}{schedule}, Seed: 5");
        let (recipe, notes) = Parameters::parse(&text).over(&sample());
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(
            (recipe.sampler.as_str(), recipe.walk.schedule.as_str()),
            (name, expected)
        );
        assert_eq!(recipe.walk.convention, "k_diffusion");
        recipe.validate().unwrap();
    }
    let text = "cat\nSteps: 9, Sampler: DDIM, Schedule type: KL Optimal, Seed: 5";
    let (recipe, notes) = Parameters::parse(text).over(&sample());
    assert_eq!(
        notes,
        ["Schedule type: \"KL Optimal\" cannot be taken over"]
    );
    assert_eq!(recipe.walk, WalkOptions::default());
}

#[test]
fn how_far_a_picture_went_from_its_source_is_told() {
    let mut recipe = sample();
    let mut source = Source::new(PictureRef::default(), 0.6);
    let mut mask = MaskUse::new(PictureRef::default());
    mask.feather_px = 8.0;
    source.mask = Some(mask);
    recipe.source = Some(source);
    let parameters = Parameters::of(&recipe);
    assert_eq!(parameters.field("Denoising strength"), Some("0.6"));
    assert_eq!(parameters.field("Mask blur"), Some("4"));
    let (read, notes) = parameters.over(&recipe);
    assert_eq!(read.source, None);
    assert!(notes[0].contains("Denoising strength"), "{notes:?}");
}

#[test]
fn what_is_written_is_read_back() {
    let mut recipe = sample();
    recipe.prompt = "two lines,\nof: prompt".to_owned();
    recipe.model.name = "odd, \"name\": here".to_owned();
    let parameters = Parameters::of(&recipe);
    assert_eq!(Parameters::parse(&parameters.to_text()), parameters);
    assert_eq!(parameters.field("Size"), Some("128x64"));
}

#[test]
fn texts_of_other_programs_are_read() {
    let text = "masterpiece, (cat:1.2)\nNegative prompt: dog,\nugly\nSteps: 28, Sampler: \
                Euler a, CFG scale: 7, Seed: 99, Size: 512x768, Lora hashes: \"a: 1, b: 2\", \
                Version: v1.10.1";
    let read = Parameters::parse(text);
    assert_eq!(read.prompt, "masterpiece, (cat:1.2)");
    assert_eq!(read.negative_prompt, "dog,\nugly");
    assert_eq!(read.field("Lora hashes"), Some("a: 1, b: 2"));
    assert_eq!(read.field("Version"), Some("v1.10.1"));
}

#[test]
fn a_bare_prompt_is_a_prompt() {
    let read = Parameters::parse("a cat: black, small");
    assert_eq!(read.prompt, "a cat: black, small");
    assert!(read.fields.is_empty());
    assert_eq!(Parameters::parse(""), Parameters::default());
}
