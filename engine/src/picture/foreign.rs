//! What other programs say of their pictures.

use super::{ComfyGraph, Parameters};
use crate::recipe::Recipe;

/// How another program describes a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum ForeignRecipe {
    /// As AUTOMATIC1111's web UI and its kin do.
    Parameters(Parameters),
    /// As ComfyUI does.
    Graph(ComfyGraph),
}

impl ForeignRecipe {
    /// Reads a text that is no recipe of ours; any text is at least a prompt.
    pub fn parse(text: &str) -> Self {
        match ComfyGraph::parse(text) {
            Some(graph) => Self::Graph(graph),
            None => Self::Parameters(Parameters::parse(text)),
        }
    }

    /// `base` with everything in its place that can be taken over, and a sentence for each part
    /// that cannot. The model stays that of `base`.
    pub fn over(&self, base: &Recipe) -> (Recipe, Vec<String>) {
        match self {
            Self::Parameters(parameters) => parameters.over(base),
            Self::Graph(graph) => graph.over(base),
        }
    }
}
