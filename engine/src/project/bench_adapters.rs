//! The bench's adapters and embeddings and their switches.

use super::Bench;
use crate::prompt::find_words;
use crate::recipe::{AdapterUse, EmbeddingUse};

impl Bench {
    /// All adapters by name, at work or muted; with each whether it is muted.
    pub fn adapters(&self) -> Vec<(&AdapterUse, bool)> {
        let at_work = self.recipe.adapters.iter().map(|adapter| (adapter, false));
        let muted = self.muted_adapters.iter().map(|adapter| (adapter, true));
        let mut all: Vec<_> = at_work.chain(muted).collect();
        all.sort_by_key(|(adapter, _)| adapter.name.to_lowercase());
        all
    }

    /// The adapter `name`, at work or muted.
    pub fn adapter(&self, name: &str) -> Option<&AdapterUse> {
        let mut all = self.recipe.adapters.iter().chain(&self.muted_adapters);
        all.find(|adapter| adapter.name == name)
    }

    /// Whether the adapter `name` is switched off for now.
    pub fn is_adapter_muted(&self, name: &str) -> bool {
        self.muted_adapters.iter().any(|own| own.name == name)
    }

    /// Puts an adapter to work. Another file of the same name is called by its path instead; one
    /// that is there already is only switched on. Gives the name that it has here.
    pub fn add_adapter(&mut self, mut adapter: AdapterUse) -> String {
        let is_other = |own: &AdapterUse| {
            let differ = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
            differ(&own.hash, &adapter.hash)
        };
        if self.adapter(&adapter.name).is_some_and(is_other)
            && let Some(path) = &adapter.path
        {
            adapter.name.clone_from(path);
        }
        let name = adapter.name.clone();
        if self.is_adapter_muted(&name) {
            self.toggle_adapter_mute(&name);
        } else if self.adapter(&name).is_none() {
            self.recipe.adapters.push(adapter);
        }
        name
    }

    /// Weighs an adapter, whether it is at work or muted.
    pub fn set_adapter_weights(&mut self, name: &str, unet_weight: f64, text_weight: f64) {
        let adapters = &mut self.recipe.adapters;
        let mut all = adapters.iter_mut().chain(&mut self.muted_adapters);
        if let Some(adapter) = all.find(|adapter| adapter.name == name) {
            (adapter.unet_weight, adapter.text_weight) = (unet_weight, text_weight);
        }
    }

    /// Switches an adapter off, or on again; it keeps its weights.
    pub fn toggle_adapter_mute(&mut self, name: &str) {
        let (from, to) = if self.is_adapter_muted(name) {
            (&mut self.muted_adapters, &mut self.recipe.adapters)
        } else {
            (&mut self.recipe.adapters, &mut self.muted_adapters)
        };
        if let Some(at) = from.iter().position(|adapter| adapter.name == name) {
            to.push(from.remove(at));
        }
    }

    /// Takes an adapter off the bench.
    pub fn remove_adapter(&mut self, name: &str) {
        self.recipe.adapters.retain(|own| own.name != name);
        self.muted_adapters.retain(|own| own.name != name);
    }

    /// Whether the prompt or the negative prompt has `word` as a word of its own.
    pub fn says(&self, word: &str) -> bool {
        let recipe = &self.recipe;
        let texts = [&recipe.prompt, &recipe.negative_prompt];
        texts
            .iter()
            .any(|text| !find_words(text, &[word]).is_empty())
    }

    /// Writes `word` at the end of the prompt where the prompts lack it.
    pub fn say(&mut self, word: &str) {
        if self.says(word) {
            return;
        }
        let prompt = &mut self.recipe.prompt;
        prompt.truncate(prompt.trim_end().trim_end_matches(',').len());
        if !prompt.is_empty() {
            prompt.push_str(", ");
        }
        prompt.push_str(word);
    }

    /// Puts an embedding to work: its word goes into the prompt.
    pub fn add_embedding(&mut self, embedding: &EmbeddingUse) {
        let mut all = self.recipe.embeddings.iter_mut();
        match all.find(|own| own.name.eq_ignore_ascii_case(&embedding.name)) {
            Some(own) => *own = embedding.clone(),
            None => self.recipe.embeddings.push(embedding.clone()),
        }
        self.say(&embedding.name);
    }

    /// Takes an embedding off the bench, and its word out of the prompts, which would call it
    /// again.
    pub fn remove_embedding(&mut self, name: &str) {
        self.recipe.embeddings.retain(|own| own.name != name);
        let recipe = &mut self.recipe;
        for text in [&mut recipe.prompt, &mut recipe.negative_prompt] {
            while let Some((bytes, _)) = find_words(text, &[name]).first().cloned() {
                let before = text[..bytes.start].trim_end().trim_end_matches(',');
                let mut after = text[bytes.end..].trim_start();
                if before.is_empty() {
                    after = after.trim_start_matches([',', ' ']);
                }
                let is_word = |c: char| c.is_alphanumeric();
                let space = if before.is_empty() || !after.starts_with(is_word) {
                    ""
                } else if text[..bytes.start].trim_end().ends_with(',') {
                    ", "
                } else {
                    " "
                };
                *text = format!("{before}{space}{after}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::sample;

    fn bench(prompt: &str) -> Bench {
        let mut recipe = sample();
        recipe.prompt = prompt.to_owned();
        Bench::new(recipe)
    }

    fn at(name: &str, path: &str, hash: &str) -> AdapterUse {
        AdapterUse {
            path: Some(path.to_owned()),
            hash: hash.to_owned(),
            ..AdapterUse::new(name, 1.0)
        }
    }

    #[test]
    fn a_muted_adapter_keeps_its_weights_and_leaves_the_recipe() {
        let mut bench = bench("a cat");
        bench.add_adapter(at("ink", "/a/ink.pt", "1"));
        bench.set_adapter_weights("ink", 0.5, 0.25);
        bench.toggle_adapter_mute("ink");
        assert!(bench.recipe.adapters.is_empty() && bench.is_adapter_muted("ink"));
        bench.set_adapter_weights("ink", 0.75, 0.25);
        assert_eq!(bench.add_adapter(at("ink", "/a/ink.pt", "1")), "ink");
        assert_eq!(bench.recipe.adapters[0].to_string(), "ink=0.75,text=0.25");
        assert!(!bench.is_adapter_muted("ink"));
        bench.toggle_adapter_mute("ink");
        let plain = bench.recipe.clone();
        bench.adopt(&plain);
        assert!(bench.muted_adapters.is_empty(), "another recipe is whole");
    }

    #[test]
    fn two_files_of_one_name_are_two_adapters() {
        let mut bench = bench("a cat");
        bench.add_adapter(at("ink", "/a/ink.pt", "1"));
        let name = bench.add_adapter(at("ink", "/b/ink.pt", "2"));
        assert_eq!((name.as_str(), bench.adapters().len()), ("/b/ink.pt", 2));
        bench.remove_adapter("ink");
        assert_eq!(bench.adapters().len(), 1);
        assert!(bench.adapter("ink").is_none());
    }

    #[test]
    fn an_embeddings_word_comes_and_goes_with_it() {
        for (prompt, with) in [
            ("a cat", "a cat, inkcat"),
            ("", "inkcat"),
            ("a cat, ", "a cat, inkcat"),
            ("an InkCat on grass", "an InkCat on grass"),
        ] {
            let mut bench = bench(prompt);
            bench.add_embedding(&EmbeddingUse::new("inkcat"));
            bench.add_embedding(&EmbeddingUse::new("inkcat"));
            assert_eq!(bench.recipe.prompt, with);
            assert_eq!(bench.recipe.embeddings.len(), 1);
            assert!(bench.says("inkcat") && !bench.says("ink"));
        }
        for (prompt, without) in [
            ("a cat, inkcat", "a cat"),
            ("inkcat", ""),
            ("inkcat, a cat", "a cat"),
            ("an inkcat on grass, inkcat, ink", "an on grass, ink"),
        ] {
            let mut bench = bench(prompt);
            bench.add_embedding(&EmbeddingUse::new("inkcat"));
            bench.remove_embedding("inkcat");
            assert_eq!(bench.recipe.prompt, without);
            assert!(bench.recipe.embeddings.is_empty());
        }
    }
}
