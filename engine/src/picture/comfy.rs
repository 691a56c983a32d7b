//! The prompt graph that ComfyUI writes under the keyword `prompt`: a JSON object of nodes, each
//! with its `class_type` and `inputs`, where an input is a value or a link `[node, slot]`.
//!
//! A graph can do anything; what is read here is the walk from the node that saves the picture up
//! to the first sampler, and what that sampler was given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::a1111::stays;
use crate::recipe::Recipe;
use crate::sampling::SamplerName;

/// Links that are followed in a row; a damaged graph may run in circles.
const MAX_LINKS: usize = 64;

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

/// A prompt graph.
#[derive(Debug, Clone, PartialEq)]
pub struct ComfyGraph {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Node {
    class_type: String,
    #[serde(default)]
    inputs: Map<String, Value>,
}

impl Node {
    fn link(&self, input: &str) -> Option<(&str, u64)> {
        link(self.inputs.get(input)?)
    }

    fn links(&self) -> impl Iterator<Item = &str> {
        self.inputs
            .values()
            .filter_map(|value| Some(link(value)?.0))
    }

    /// Whether it makes latents from noise and words.
    fn is_sampler(&self) -> bool {
        self.link("latent_image").is_some()
            && (self.link("positive").is_some() || self.link("guider").is_some())
    }
}

fn link(value: &Value) -> Option<(&str, u64)> {
    match value.as_array()?.as_slice() {
        [node, slot] => Some((node.as_str()?, slot.as_u64()?)),
        _ => None,
    }
}

impl ComfyGraph {
    /// Reads the text of the chunk; `None` where it is no prompt graph.
    pub fn parse(text: &str) -> Option<Self> {
        let read = |text: &str| serde_json::from_str::<BTreeMap<String, Node>>(text).ok();
        // Python writes numbers that JSON does not have.
        let nodes = read(text).or_else(|| read(&text.replace("[NaN]", "[null]")))?;
        (!nodes.is_empty()).then_some(Self { nodes })
    }

    /// How many nodes it has.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// `base` with everything that the graph says in its place, and a sentence for each part that
    /// cannot be taken over. The model stays that of `base`.
    pub fn over(&self, base: &Recipe) -> (Recipe, Vec<String>) {
        let mut recipe = base.clone();
        recipe.controls.clear();
        let Some(first) = self.first_sampler() else {
            let note = "the graph has no sampler that could be read; nothing was taken over";
            return (base.clone(), vec![note.to_owned()]);
        };
        let mut reading = Reading {
            graph: self,
            notes: Vec::new(),
        };
        if first.later > 0 {
            let note = format!("{} later passes over the picture are left out", first.later);
            reading.notes.push(note);
        }
        reading.take(first.node, &mut recipe);
        (recipe, reading.notes)
    }

    /// Follows links from the nodes that nothing follows, pictures that are saved first, to the
    /// sampler that no other sampler feeds.
    fn first_sampler(&self) -> Option<FirstSampler<'_>> {
        let used: BTreeSet<&str> = self.nodes.values().flat_map(Node::links).collect();
        let mut ends: Vec<(&String, &Node)> = self
            .nodes
            .iter()
            .filter(|(name, _)| !used.contains(name.as_str()))
            .collect();
        ends.sort_by_key(|(_, node)| !node.class_type.contains("Save"));
        let nearest = |from: Vec<&str>| {
            let mut seen = BTreeSet::new();
            let mut waiting: VecDeque<&str> = from.into();
            while let Some(name) = waiting.pop_front() {
                let Some(node) = self
                    .nodes
                    .get(name)
                    .filter(|_| seen.insert(name.to_owned()))
                else {
                    continue;
                };
                if node.is_sampler() {
                    return Some(node);
                }
                waiting.extend(node.links());
            }
            None
        };
        let mut node = ends
            .iter()
            .find_map(|(name, _)| nearest(vec![name.as_str()]))?;
        let mut later = 0;
        while let Some(earlier) = node
            .link("latent_image")
            .and_then(|(name, _)| nearest(vec![name]))
        {
            node = earlier;
            later += 1;
            if later > MAX_LINKS {
                break;
            }
        }
        Some(FirstSampler { node, later })
    }
}

struct FirstSampler<'a> {
    node: &'a Node,
    /// Samplers between it and the picture.
    later: usize,
}

struct Reading<'a> {
    graph: &'a ComfyGraph,
    notes: Vec<String>,
}

impl<'a> Reading<'a> {
    fn node(&self, node: &'a Node, input: &str) -> Option<&'a Node> {
        self.graph.nodes.get(node.link(input)?.0)
    }

    /// Takes what `sampler` was given, by itself or, as custom samplers, by nodes of their own.
    fn take(&mut self, sampler: &'a Node, recipe: &mut Recipe) {
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
        match self.words(guider, positive) {
            Some(words) => recipe.prompt = words,
            None => self.notes.push("the prompt could not be read".to_owned()),
        }
        recipe.negative_prompt = self.words(guider, "negative").unwrap_or_default();
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
        match sampler_called(method, scheduler) {
            Some((name, is_whole)) => {
                name.name().clone_into(&mut to.sampler);
                if !is_whole {
                    let label = name.label();
                    let note = format!("{label} has its usual sigmas here, not \"{scheduler}\"");
                    self.notes.push(note);
                }
            }
            None => {
                let note = format!("sampler_name: \"{method}\" cannot be taken over");
                self.notes.push(note);
            }
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

    /// Names what stands between the sampler and its checkpoint.
    fn tell_model(&mut self, guider: &'a Node, recipe: &Recipe) {
        let mut at = self.node(guider, "model");
        for _ in 0..MAX_LINKS {
            let Some(node) = at else { break };
            let named = |input: &str| node.inputs.get(input).and_then(Value::as_str);
            if let Some(name) = named("ckpt_name").or(named("unet_name")) {
                self.notes.extend(stays(name, recipe));
                break;
            }
            let what = match named("lora_name") {
                Some(name) => format!("\"{name}\""),
                None => node.class_type.clone(),
            };
            self.notes.push(format!("{what} is left out"));
            at = self.node(node, "model");
        }
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

    /// The words behind a conditioning, through nodes that add something to it.
    fn words(&mut self, node: &'a Node, input: &str) -> Option<String> {
        let mut at = node;
        let mut input = input;
        for _ in 0..MAX_LINKS {
            let (name, slot) = at.link(input)?;
            let next = self.graph.nodes.get(name)?;
            for own in ["text", "text_g", "clip_l", "prompt"] {
                if let Some(words) = self.text_value(next, own) {
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

/// The sampler that ComfyUI calls `method`, and whether it has those sigmas, too.
fn sampler_called(method: &str, scheduler: &str) -> Option<(SamplerName, bool)> {
    let is_usual = scheduler == "normal";
    Some(match (method, scheduler) {
        ("dpmpp_2m", "karras") => (SamplerName::Dpmpp2mKarras, true),
        ("dpmpp_2m", _) => (SamplerName::Dpmpp2m, is_usual),
        ("euler", _) => (SamplerName::Euler, is_usual),
        ("euler_ancestral", _) => (SamplerName::EulerA, is_usual),
        ("lms", _) => (SamplerName::Lms, is_usual),
        ("dpm_2", _) => (SamplerName::Kdpm2, is_usual),
        ("ddim", _) => (SamplerName::Ddim, is_usual || scheduler == "ddim_uniform"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recipe::tests::sample;

    fn plain() -> Value {
        json!({
            "3": {"class_type": "KSampler", "inputs": {
                "seed": 156_680_208_700_286_u64, "steps": 25, "cfg": 6.5, "sampler_name":
                "dpmpp_2m", "scheduler": "karras", "denoise": 1.0, "model": ["10", 0],
                "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
            "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.ckpt"}},
            "5": {"class_type": "EmptyLatentImage", "inputs":
                {"width": 512, "height": 768, "batch_size": 1}},
            "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["10", 1]}},
            "7": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["10", 1]}},
            "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
            "9": {"class_type": "SaveImage", "inputs":
                {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
            "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink.safetensors",
                "strength_model": 1.0, "model": ["4", 0], "clip": ["4", 1]}},
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
            ..sample()
        };
        assert_eq!(recipe, expected);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(notes[0], "\"ink.safetensors\" is left out");
        assert!(notes[1].contains("v1-5.ckpt"), "{notes:?}");
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
}
