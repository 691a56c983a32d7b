//! What a sampler of a graph was given.

use serde_json::Value;

use super::{ComfyGraph, MAX_LINKS, Node, link};
use crate::picture::a1111::stays;
use crate::prompt::PromptSyntax;
use crate::recipe::{AdapterUse, Recipe, TextOptions, WalkOptions};
use crate::sampling::{SamplerName, ScheduleName};

/// Inputs in which nodes that only hold a value keep it.
const HELD: [&str; 9] = [
    "value",
    "text",
    "string",
    "int",
    "float",
    "seed",
    "noise_seed",
    "number",
    "prompt",
];

pub(super) struct Reading<'a> {
    pub(super) graph: &'a ComfyGraph,
    pub(super) notes: Vec<String>,
}

impl<'a> Reading<'a> {
    fn node(&self, node: &'a Node, input: &str) -> Option<&'a Node> {
        self.graph.nodes.get(node.link(input)?.0)
    }

    /// Takes what `sampler` was given, by itself or, as custom samplers, by nodes of their own.
    pub(super) fn take(&mut self, sampler: &'a Node, recipe: &mut Recipe) {
        let part = |input: &str| self.node(sampler, input).unwrap_or(sampler);
        let (noise, guider) = (part("noise"), part("guider"));
        let (method, sigmas) = (part("sampler"), part("sigmas"));
        let seed = self
            .value(noise, "noise_seed")
            .or(self.value(noise, "seed"));
        self.set("seed", seed.and_then(Value::as_u64), &mut recipe.seed);
        let steps = self.value(sigmas, "steps").and_then(Value::as_u64);
        let steps = steps.and_then(|steps| u32::try_from(steps).ok());
        self.set("steps", steps, &mut recipe.steps);
        let cfg = self.value(guider, "cfg").and_then(Value::as_f64);
        self.set("cfg", cfg, &mut recipe.guidance_scale);
        let method = self.text_value(method, "sampler_name");
        let scheduler = self.text_value(sigmas, "scheduler");
        self.take_sampler(method, scheduler, recipe);
        let positive = if guider.link("positive").is_some() {
            "positive"
        } else {
            "conditioning"
        };
        recipe.text = TextOptions {
            prompt_syntax: PromptSyntax::ComfyUi,
            clip_skip: None,
        };
        recipe.adapters.clear();
        match self.words(guider, positive, &mut recipe.text) {
            Some(words) => recipe.prompt = words,
            None => self.notes.push("the prompt could not be read".to_owned()),
        }
        recipe.negative_prompt = self
            .words(guider, "negative", &mut TextOptions::default())
            .unwrap_or_default();
        self.take_size(sampler, recipe);
        self.tell_model(guider, recipe);
    }

    fn set<T>(&mut self, name: &str, value: Option<T>, field: &mut T) {
        match value {
            Some(value) => *field = value,
            None => self.notes.push(format!("{name} could not be read")),
        }
    }

    fn take_sampler(&mut self, method: Option<&str>, scheduler: Option<&str>, to: &mut Recipe) {
        let (method, scheduler) = (method.unwrap_or(""), scheduler.unwrap_or("normal"));
        let Some((name, schedule)) = sampler_called(method, scheduler) else {
            let note = format!("sampler_name: \"{method}\" cannot be taken over");
            self.notes.push(note);
            return;
        };
        name.name().clone_into(&mut to.sampler);
        to.walk = WalkOptions::default();
        if let Some(schedule) = schedule {
            schedule.name().clone_into(&mut to.walk.schedule);
        } else {
            let label = name.label();
            let note = format!("{label} has its usual sigmas here, not \"{scheduler}\"");
            self.notes.push(note);
        }
    }

    fn take_size(&mut self, sampler: &'a Node, recipe: &mut Recipe) {
        let side = |node, name| u32::try_from(self.value(node, name)?.as_u64()?).ok();
        let latents = self.node(sampler, "latent_image");
        let size = latents.and_then(|node| Some((side(node, "width")?, side(node, "height")?)));
        match size {
            Some((width, height)) => (recipe.width_px, recipe.height_px) = (width, height),
            None => self.notes.push(
                "it was made from another picture, which the graph only names; the size stays"
                    .to_owned(),
            ),
        }
    }

    /// Takes the LoRAs between the sampler and its checkpoint, and names what else stands there.
    fn tell_model(&mut self, guider: &'a Node, recipe: &mut Recipe) {
        let mut at = self.node(guider, "model");
        for _ in 0..MAX_LINKS {
            let Some(node) = at else { break };
            let named = |input: &str| node.inputs.get(input).and_then(Value::as_str);
            if let Some(name) = named("ckpt_name").or(named("unet_name")) {
                self.notes.extend(stays(name, recipe));
                break;
            }
            match named("lora_name") {
                Some(name) => recipe.adapters.push(self.lora(node, name)),
                None => self.notes.push(format!("{} is left out", node.class_type)),
            }
            at = self.node(node, "model");
        }
    }

    /// The LoRA `file` as `node` uses it; one that has no strength for the text encoder leaves that
    /// alone.
    fn lora(&self, node: &'a Node, file: &str) -> AdapterUse {
        let strength = |input: &str| self.value(node, input).and_then(Value::as_f64);
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        AdapterUse {
            text_weight: strength("strength_clip").unwrap_or(0.0),
            ..AdapterUse::new(stem, strength("strength_model").unwrap_or(1.0))
        }
    }

    /// The layer that the text encoder of `node` was told to stop at, counted from the last, 1.
    fn clip_skip(&self, node: &'a Node) -> Option<u32> {
        let mut at = node;
        for _ in 0..MAX_LINKS {
            at = self.node(at, "clip")?;
            if let Some(layer) = self.value(at, "stop_at_clip_layer") {
                return u32::try_from(layer.as_i64()?.checked_neg()?).ok();
            }
        }
        None
    }

    /// A value of `node`, where it stands there or in nodes that only hold it.
    fn value(&self, node: &'a Node, input: &str) -> Option<&'a Value> {
        let mut value = node.inputs.get(input)?;
        for _ in 0..MAX_LINKS {
            let Some((name, _)) = link(value) else {
                return Some(value);
            };
            let holder = self.graph.nodes.get(name)?;
            value = HELD.iter().find_map(|held| holder.inputs.get(*held))?;
        }
        None
    }

    fn text_value(&self, node: &'a Node, input: &str) -> Option<&'a str> {
        self.value(node, input)?.as_str()
    }

    /// The words behind a conditioning, through nodes that add something to it; how their encoder
    /// is used goes to `options`.
    fn words(&mut self, node: &'a Node, input: &str, options: &mut TextOptions) -> Option<String> {
        let mut at = node;
        let mut input = input;
        for _ in 0..MAX_LINKS {
            let (name, slot) = at.link(input)?;
            let next = self.graph.nodes.get(name)?;
            for own in ["text", "text_g", "clip_l", "prompt"] {
                if let Some(words) = self.text_value(next, own) {
                    options.clip_skip = self.clip_skip(next);
                    return Some(words.to_owned());
                }
            }
            if next.class_type == "ConditioningZeroOut" {
                return Some(String::new());
            }
            let through = [
                if slot == 1 { "negative" } else { "positive" },
                "conditioning",
                "conditioning_1",
                "conditioning_to",
            ];
            input = through.into_iter().find(|i| next.link(i).is_some())?;
            let note = format!("{} is left out", next.class_type);
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            at = next;
        }
        None
    }
}

/// The sampler that ComfyUI calls `method`, and its schedule where there is one like it here.
fn sampler_called(method: &str, scheduler: &str) -> Option<(SamplerName, Option<ScheduleName>)> {
    let name = match method {
        "dpmpp_2m" if scheduler == "karras" => {
            return Some((SamplerName::Dpmpp2mKarras, Some(ScheduleName::Model)));
        }
        "ddim" if scheduler == "ddim_uniform" => {
            return Some((SamplerName::Ddim, Some(ScheduleName::Model)));
        }
        "dpmpp_2m" => SamplerName::Dpmpp2m,
        "euler" => SamplerName::Euler,
        "euler_ancestral" => SamplerName::EulerA,
        "lms" => SamplerName::Lms,
        "heun" => SamplerName::Heun,
        "dpm_2" => SamplerName::Kdpm2,
        "dpm_2_ancestral" => SamplerName::Kdpm2A,
        "dpmpp_2m_sde" => SamplerName::Dpmpp2mSde,
        "dpmpp_sde" => SamplerName::DpmppSde,
        "uni_pc" => SamplerName::UniPc,
        "lcm" => SamplerName::Lcm,
        "ddim" => SamplerName::Ddim,
        _ => return None,
    };
    let walks_alphas = matches!(name, SamplerName::Ddim | SamplerName::Lcm);
    let schedule = match scheduler {
        "normal" => Some(ScheduleName::Model),
        "karras" if !walks_alphas => Some(ScheduleName::Karras),
        "exponential" if !walks_alphas => Some(ScheduleName::Exponential),
        "sgm_uniform" if name == SamplerName::Lcm => Some(ScheduleName::Model),
        "sgm_uniform" => Some(ScheduleName::SgmUniform),
        _ => None,
    };
    Some((name, schedule))
}
