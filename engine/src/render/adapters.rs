//! The adapters and embeddings that recipes ask for, on the loaded model.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::halves::Halves;
use super::steering::{on_text, put_on_text, share};
use crate::adapters::{Adapter, AdapterFile, AdapterLibrary, Changes, Embedding, Modules};
use crate::conditioning::Conditioning;
use crate::prompt::{TextStage, find_words};
use crate::recipe::{AdapterUse, EmbeddingUse, Recipe};
use crate::{EngineError, Result};

/// Adapters that stay read beyond those of the present recipe.
const MOST_KEPT: usize = 8;

/// An adapter's file, read for the model.
#[derive(Debug)]
struct Loaded {
    hash: String,
    adapter: Adapter,
    /// Embeddings that it brings along, by name.
    bundled: Vec<(String, Rc<Embedding>)>,
}

/// An adapter at work.
#[derive(Debug)]
struct AtWork {
    loaded: Rc<Loaded>,
    unet_weight: f64,
    text_weight: f64,
}

/// A file's adapters by hash with the bits of their weights: what a network's state depends on.
type Key = Vec<(String, u64)>;

/// What has changed against the recipe before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    /// The same words have other states.
    pub(super) text: bool,
    /// The same states have other keys and values, or the U-Net is another.
    pub(super) unet: bool,
}

/// What tells whether a file is still the one that was read.
type Stamp = (u64, Option<SystemTime>);

/// Files that were read, the last used last.
#[derive(Debug)]
pub(super) struct Read<T>(Vec<(PathBuf, Stamp, Rc<T>)>);

impl<T> Default for Read<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Read<T> {
    pub(super) fn get(&mut self, path: &Path, read: impl FnOnce() -> Result<T>) -> Result<Rc<T>> {
        let about = std::fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
        let stamp = (about.len(), about.modified().ok());
        let known = self
            .0
            .iter()
            .position(|(own, then, _)| own == path && *then == stamp);
        let entry = match known {
            Some(at) => self.0.remove(at),
            None => (path.to_owned(), stamp, Rc::new(read()?)),
        };
        let found = Rc::clone(&entry.2);
        self.0.retain(|(own, _, _)| own != path);
        self.0.push(entry);
        Ok(found)
    }

    pub(super) fn forget_oldest(&mut self, in_use: usize) {
        let surplus = self.0.len().saturating_sub(in_use + MOST_KEPT);
        self.0.drain(..surplus);
    }
}

/// The adapters and embeddings of one loaded model, and which of them are on it.
#[derive(Debug, Default)]
pub(super) struct AdapterShelf {
    library: AdapterLibrary,
    modules: Option<Modules>,
    adapters: Read<Loaded>,
    embeddings: Read<Embedding>,
    unet: Changes,
    /// What is on the negative half alone, where it is steered.
    weak_unet: Changes,
    /// What is on each text encoder, and what is on it while a steered negative prompt is read.
    text: Vec<Changes>,
    weak_text: Vec<Changes>,
    unet_key: Key,
    text_key: Key,
    /// The weak half's weights, where there is one.
    weak_key: Option<Key>,
    /// Names and hashes of the words that the text stage knows.
    words_key: Vec<(String, String)>,
    /// Whether the model is in the state that the keys tell.
    is_known: bool,
}

impl AdapterShelf {
    pub(super) fn set_library(&mut self, library: AdapterLibrary) {
        self.library = library;
    }

    /// Finds and reads what `recipe` asks for and puts it on the model; fills in hashes, and the
    /// embeddings that the prompts name. `notes` hears of what the artist should know.
    pub(super) fn apply(
        &mut self,
        recipe: &mut Recipe,
        halves: &mut Halves,
        text: &mut TextStage,
        notes: &mut Vec<String>,
    ) -> Result<Changed> {
        let at_work = self.resolve(&mut recipe.adapters, halves, text, notes)?;
        let words = self.words(recipe, &at_work, notes)?;
        let mut changed = Changed {
            text: text.read_as(recipe.text) | self.set_words(&words, text)?,
            unet: false,
        };
        let was_known = std::mem::replace(&mut self.is_known, false);
        let key = key_of(&at_work, |a| a.text_weight);
        if !was_known || key != self.text_key {
            self.text = on_text(text, &weighed(&at_work, |a| a.text_weight))?;
            put_on_text(&self.text, text);
            changed.text = true;
            self.text_key = key;
        }
        let of_unet: Vec<(&Adapter, f64)> = weighed(&at_work, |a| a.unet_weight);
        let key = key_of(&at_work, |a| a.unet_weight);
        if !was_known || key != self.unet_key {
            let names = |key: &Key| key.iter().map(|(hash, _)| hash.clone()).collect::<Vec<_>>();
            let same_adapters = was_known && names(&key) == names(&self.unet_key);
            let weights: Vec<f64> = of_unet.iter().map(|(_, weight)| *weight).collect();
            if !(same_adapters && self.unet.set_weights(&weights)?) {
                // The old ones go first: two sets of weights need not fit into memory.
                self.unet = Changes::default();
                put(&self.unet, halves)?;
                self.unet = Changes::of_unet(halves.unet(), &of_unet)?;
                put(&self.unet, halves)?;
            }
            changed.unet = true;
            self.unet_key = key;
        }
        self.steer(
            share(recipe, at_work.is_empty(), notes),
            &at_work,
            was_known,
            halves,
            text,
            &mut changed,
        )?;
        self.is_known = true;
        self.adapters.forget_oldest(at_work.len());
        self.embeddings.forget_oldest(words.len());
        Ok(changed)
    }

    /// Puts the adapters at `share` of their weights onto the negative half (arXiv 2508.00319), or
    /// at their own where nothing is asked for.
    fn steer(
        &mut self,
        share: Option<f64>,
        at_work: &[AtWork],
        was_known: bool,
        halves: &mut Halves,
        text: &TextStage,
        changed: &mut Changed,
    ) -> Result<()> {
        let key = share.map(|share| {
            let mut key = key_of(at_work, |a| share * a.unet_weight);
            key.extend(key_of(at_work, |a| share * a.text_weight));
            key
        });
        if was_known && !changed.unet && !changed.text && key == self.weak_key {
            return Ok(());
        }
        if let Some(share) = share {
            let of_unet = weighed(at_work, |a| share * a.unet_weight);
            self.weak_unet = Changes::of_unet(halves.unet(), &of_unet)?;
            self.weak_unet.put_on_unet(halves.negative_unet());
            self.weak_text = on_text(text, &weighed(at_work, |a| share * a.text_weight))?;
            changed.unet = true;
        } else if self.weak_key.is_some() || !was_known {
            self.unet.put_on_unet(halves.negative_unet());
            self.weak_unet = Changes::default();
            self.weak_text = Vec::new();
            changed.unet |= self.weak_key.is_some();
        }
        // Another share is another reading of the negative prompt too.
        changed.text |= key != self.weak_key && at_work.iter().any(|a| a.text_weight != 0.0);
        halves.set_apart(share.is_some());
        self.weak_key = key;
        Ok(())
    }

    /// The negative prompt as the steered half reads it, as long as `prompt`; `None` where it reads
    /// it as the other does.
    pub(super) fn weak_text(
        &self,
        text: &TextStage,
        negative: &str,
        prompt: &Conditioning,
    ) -> Result<Option<Conditioning>> {
        if self.weak_key.is_none() || self.text_key.is_empty() {
            return Ok(None);
        }
        put_on_text(&self.weak_text, text);
        let read = text
            .chunks(&prompt.prompt)
            .and_then(|chunks| text.encode(negative, chunks));
        put_on_text(&self.text, text);
        read.map(Some)
    }

    fn resolve(
        &mut self,
        wanted: &mut [AdapterUse],
        halves: &Halves,
        text: &TextStage,
        notes: &mut Vec<String>,
    ) -> Result<Vec<AtWork>> {
        let mut at_work = Vec::new();
        for wanted in wanted {
            let path = self.library.find(wanted)?;
            let modules = self
                .modules
                .get_or_insert_with(|| Modules::of(halves.unet(), &text.encoders()));
            let loaded = self.adapters.get(&path, || load(&path, modules))?;
            if !wanted.hash.is_empty() && wanted.hash != loaded.hash {
                notes.push(other_version("adapter", &wanted.name, &path));
            }
            let name = &wanted.name;
            let own = loaded.adapter.notes.iter();
            notes.extend(own.map(|note| format!("adapter {name}: {note}")));
            wanted.hash.clone_from(&loaded.hash);
            at_work.push(AtWork {
                loaded,
                unet_weight: wanted.unet_weight,
                text_weight: wanted.text_weight,
            });
        }
        at_work.retain(|a| a.unet_weight != 0.0 || a.text_weight != 0.0);
        Ok(at_work)
    }

    /// The embeddings that the prompts call, by name.
    fn words(
        &mut self,
        recipe: &mut Recipe,
        at_work: &[AtWork],
        notes: &mut Vec<String>,
    ) -> Result<Vec<(String, Rc<Embedding>)>> {
        let texts: Vec<String> = [&recipe.prompt, &recipe.negative_prompt]
            .into_iter()
            .chain(recipe.regions.iter().map(|region| &region.prompt))
            .chain(
                recipe
                    .edit
                    .iter()
                    .flat_map(|edit| edit.changes.iter().map(|c| &c.to)),
            )
            .cloned()
            .collect();
        let is_named = |name: &str| {
            texts
                .iter()
                .any(|text| !find_words(text, &[name]).is_empty())
        };
        for name in self.library.embeddings().into_keys() {
            let mut listed = recipe.embeddings.iter();
            if !listed.any(|own| own.name.eq_ignore_ascii_case(&name)) && is_named(&name) {
                recipe.embeddings.push(EmbeddingUse::new(name));
            }
        }
        let mut words: Vec<(String, Rc<Embedding>)> = Vec::new();
        for wanted in &mut recipe.embeddings {
            let path = self.library.find_embedding(wanted)?;
            let embedding = self.embeddings.get(&path, || Embedding::read(&path))?;
            if !wanted.hash.is_empty() && wanted.hash != embedding.hash {
                notes.push(other_version("embedding", &wanted.name, &path));
            }
            wanted.hash.clone_from(&embedding.hash);
            if !is_named(&wanted.name) {
                notes.push(format!(
                    "embedding {}: no prompt has this word, so it does nothing",
                    wanted.name
                ));
                continue;
            }
            words.push((wanted.name.clone(), embedding));
        }
        for (name, embedding) in at_work.iter().flat_map(|a| &a.loaded.bundled) {
            if is_named(name) && !words.iter().any(|(own, _)| own == name) {
                words.push((name.clone(), Rc::clone(embedding)));
            }
        }
        Ok(words)
    }

    /// Teaches the text stage `words`; whether that changes anything.
    fn set_words(
        &mut self,
        words: &[(String, Rc<Embedding>)],
        text: &mut TextStage,
    ) -> Result<bool> {
        let key: Vec<_> = words
            .iter()
            .map(|(name, e)| (name.clone(), e.hash.clone()))
            .collect();
        if key == self.words_key {
            return Ok(false);
        }
        let encoders = text.encoders().into_iter().enumerate();
        let widths: Vec<(usize, i64)> = encoders
            .map(|(at, encoder)| (at, encoder.config().hidden_size))
            .collect();
        let vectors = words.iter().map(|(name, embedding)| {
            let own = widths
                .iter()
                .map(|&(at, width)| Ok(embedding.for_encoder(at, width)?.shallow_clone()));
            Ok((name.clone(), own.collect::<Result<Vec<_>>>()?))
        });
        let vectors = vectors.collect::<Result<Vec<_>>>()?;
        // Whatever comes of it, it is no longer what it was.
        self.words_key = vec![(String::new(), String::new())];
        text.set_added(&vectors)?;
        self.words_key = key;
        Ok(true)
    }
}

/// Adapters with their weights, but those at 0, which change nothing.
fn weighed(at_work: &[AtWork], weight: impl Fn(&AtWork) -> f64) -> Vec<(&Adapter, f64)> {
    let weighed = at_work.iter().map(|a| (&a.loaded.adapter, weight(a)));
    weighed.filter(|(_, weight)| *weight != 0.0).collect()
}

fn key_of(at_work: &[AtWork], weight: impl Fn(&AtWork) -> f64) -> Key {
    let key = at_work.iter().map(|a| (a.loaded.hash.clone(), weight(a)));
    let key = key.filter(|(_, weight)| *weight != 0.0);
    key.map(|(hash, weight)| (hash, weight.to_bits())).collect()
}

fn put(changes: &Changes, halves: &Halves) -> Result<()> {
    halves.attach(|unet| {
        changes.put_on_unet(unet);
        Ok(())
    })
}

fn load(path: &Path, modules: &Modules) -> Result<Loaded> {
    let file = AdapterFile::open(path)?;
    let adapter = Adapter::read(&file, modules)?;
    let bundled = Embedding::bundled(&file)?.into_iter();
    let bundled = bundled.map(|(name, embedding)| (name, Rc::new(embedding)));
    Ok(Loaded {
        bundled: bundled.collect(),
        hash: file.hash,
        adapter,
    })
}

pub(super) fn other_version(what: &str, name: &str, path: &Path) -> String {
    format!(
        "{what} {name}: the recipe was made with another version of {}, so the picture will differ",
        path.display()
    )
}
