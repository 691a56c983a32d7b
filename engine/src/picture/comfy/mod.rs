//! The prompt graph that ComfyUI writes under the keyword `prompt`: a JSON object of nodes, each
//! with its `class_type` and `inputs`, where an input is a value or a link `[node, slot]`.
//!
//! A graph can do anything; what is read here is the walk from the node that saves the picture up
//! to the first sampler, and what that sampler was given.

mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value};

use self::reading::Reading;
use crate::recipe::Recipe;

/// Links that are followed in a row; a damaged graph may run in circles.
const MAX_LINKS: usize = 64;

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
        match first.later {
            0 => {}
            1 => reading
                .notes
                .push("1 later pass over the picture is left out".to_owned()),
            many => reading
                .notes
                .push(format!("{many} later passes over the picture are left out")),
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
