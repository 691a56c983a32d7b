//! Where other programs keep their files.

use std::path::{Path, PathBuf};

/// What lies where in one folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Whose folder it is; `None` for a folder of models and no more.
    pub program: Option<&'static str>,
    /// Folders of models.
    pub models: Vec<PathBuf>,
    /// Folders of LoRAs and their relatives.
    pub adapters: Vec<PathBuf>,
    /// Folders of textual-inversion embeddings.
    pub embeddings: Vec<PathBuf>,
    /// Folders of upscalers.
    pub upscalers: Vec<PathBuf>,
    /// Folders of IP-Adapters.
    pub picture_prompts: Vec<PathBuf>,
    /// Folders of the image towers that they see through.
    pub image_encoders: Vec<PathBuf>,
    /// Folders of ControlNets.
    pub controlnets: Vec<PathBuf>,
}

/// A program's folder: how it is recognised, and what lies in it where.
struct Layout {
    program: &'static str,
    /// What only this program has, all of it.
    signs: &'static [&'static str],
    models: &'static [&'static str],
    adapters: &'static [&'static str],
    embeddings: &'static [&'static str],
    upscalers: &'static [&'static str],
    picture_prompts: &'static [&'static str],
    image_encoders: &'static [&'static str],
    controlnets: &'static [&'static str],
}

const LAYOUTS: [Layout; 3] = [
    Layout {
        program: "ComfyUI",
        signs: &["models/checkpoints"],
        models: &["models/checkpoints", "models/diffusers"],
        adapters: &["models/loras"],
        embeddings: &["models/embeddings"],
        upscalers: &["models/upscale_models"],
        picture_prompts: &["models/ipadapter"],
        image_encoders: &["models/clip_vision"],
        controlnets: &["models/controlnet"],
    },
    Layout {
        program: "A1111",
        signs: &["models/Stable-diffusion"],
        models: &["models/Stable-diffusion"],
        adapters: &["models/Lora", "models/LyCORIS"],
        embeddings: &["embeddings"],
        upscalers: &["models/ESRGAN", "models/RealESRGAN"],
        picture_prompts: &["models/ControlNet", "extensions/sd-webui-controlnet/models"],
        image_encoders: &[
            "extensions/sd-webui-controlnet/annotator/downloads/clip_vision",
            "models/ControlNetPreprocessor/clip_vision",
        ],
        controlnets: &["models/ControlNet", "extensions/sd-webui-controlnet/models"],
    },
    Layout {
        program: "InvokeAI",
        signs: &["invokeai.yaml", "models"],
        models: &["models"],
        adapters: &["models/sd-1/lora", "models/sd-2/lora", "models/sdxl/lora"],
        embeddings: &[
            "models/sd-1/embedding",
            "models/sd-2/embedding",
            "models/sdxl/embedding",
        ],
        upscalers: &["models/any/spandrel_image_to_image"],
        picture_prompts: &["models/sd-1/ip_adapter", "models/sdxl/ip_adapter"],
        image_encoders: &["models/any/clip_vision"],
        controlnets: &[
            "models/sd-1/controlnet",
            "models/sd-2/controlnet",
            "models/sdxl/controlnet",
        ],
    },
];

/// What lies where in `folder`: the root of ComfyUI, of AUTOMATIC1111's web UI or its kin, or of
/// InvokeAI, else a folder of models.
pub fn places_in(folder: &Path) -> Places {
    let is_there = |inner: &&str| folder.join(inner).exists();
    let known = LAYOUTS
        .iter()
        .find(|layout| layout.signs.iter().all(is_there));
    let Some(layout) = known else {
        return Places {
            models: vec![folder.to_owned()],
            ..Places::default()
        };
    };
    let there = |inner: &[&'static str]| {
        let inner = inner.iter().copied().filter(is_there);
        inner.map(|inner| folder.join(inner)).collect()
    };
    Places {
        program: Some(layout.program),
        models: there(layout.models),
        adapters: there(layout.adapters),
        embeddings: there(layout.embeddings),
        upscalers: there(layout.upscalers),
        picture_prompts: there(layout.picture_prompts),
        image_encoders: there(layout.image_encoders),
        controlnets: there(layout.controlnets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_folders() {
        let place = tempfile::tempdir().unwrap();
        let make = |folders: &[&str]| {
            for folder in folders {
                std::fs::create_dir_all(place.path().join(folder)).unwrap();
            }
        };
        make(&[
            "comfy/models/checkpoints",
            "comfy/models/loras",
            "comfy/models/upscale_models",
            "comfy/models/ipadapter",
            "comfy/models/clip_vision",
            "comfy/models/controlnet",
        ]);
        make(&[
            "webui/models/Stable-diffusion",
            "webui/embeddings",
            "webui/models/ESRGAN",
            "webui/models/ControlNet",
        ]);
        make(&[
            "invoke/models/sd-1/lora",
            "invoke/models/sdxl/controlnet",
            "plain/deep",
        ]);
        std::fs::write(place.path().join("invoke/invokeai.yaml"), "").unwrap();
        let found = |name: &str| {
            let places = places_in(&place.path().join(name));
            let counts = [
                &places.models,
                &places.adapters,
                &places.embeddings,
                &places.upscalers,
                &places.picture_prompts,
                &places.image_encoders,
                &places.controlnets,
            ];
            (places.program, counts.map(Vec::len))
        };
        assert_eq!(found("comfy"), (Some("ComfyUI"), [1, 1, 0, 1, 1, 1, 1]));
        assert_eq!(found("webui"), (Some("A1111"), [1, 0, 1, 1, 1, 0, 1]));
        assert_eq!(found("invoke"), (Some("InvokeAI"), [1, 1, 0, 0, 0, 0, 1]));
        assert_eq!(found("plain"), (None, [1, 0, 0, 0, 0, 0, 0]));
    }
}
