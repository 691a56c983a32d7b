//! Whom a clause is about.

use super::clause::Ref;
use super::vocabulary::{Pronoun, Spot};
use super::{Lexicon, Scene};
use crate::conditioning::split_words;

/// Why nobody in particular is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unclear {
    /// One of these; the question is still to be put.
    OneOf(Vec<usize>),
    /// Nobody fits; a sentence says so.
    Nobody(String),
}

/// What decides between several.
pub(super) struct Context<'a> {
    pub(super) lexicon: &'a Lexicon,
    pub(super) scene: &'a Scene,
    /// Spoken of last.
    pub(super) mentioned: &'a [usize],
}

impl Context<'_> {
    /// The subjects that `refs` mean; `None` among them is the whole picture. `fits` tells whether
    /// a subject can have what is asked for.
    pub(super) fn all(
        &self,
        refs: &[Ref],
        fits: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Option<usize>>, Unclear> {
        let mut found: Vec<Option<usize>> = Vec::new();
        for own in refs {
            let meant: Vec<Option<usize>> = if own.is_picture {
                vec![None]
            } else {
                self.one(own, fits)?.into_iter().map(Some).collect()
            };
            for subject in meant {
                if !found.contains(&subject) {
                    found.push(subject);
                }
            }
        }
        Ok(found)
    }

    fn one(&self, own: &Ref, fits: &dyn Fn(usize) -> bool) -> Result<Vec<usize>, Unclear> {
        if let Some(subject) = own.fixed {
            return Ok(vec![subject]);
        }
        let everybody: Vec<usize> = (0..self.scene.subjects.len()).collect();
        let mut pool = everybody.clone();
        if !own.kinds.is_empty() {
            pool.retain(|&at| own.kinds.contains(&self.scene.subjects[at].noun));
        }
        if own.is_other {
            pool.retain(|at| !self.mentioned.contains(at));
        }
        match own.pronoun {
            Some(Pronoun::Plural) => {
                let fitting: Vec<usize> = pool.iter().copied().filter(|&at| fits(at)).collect();
                return if fitting.is_empty() {
                    Err(self.nobody(own))
                } else {
                    Ok(fitting)
                };
            }
            Some(pronoun) => pool = self.by_pronoun(pronoun, &pool),
            None => {}
        }
        for adjective in &own.adjectives {
            let with: Vec<usize> = pool
                .iter()
                .copied()
                .filter(|&at| self.has_word_before(at, adjective))
                .collect();
            if !with.is_empty() {
                pool = with;
            }
        }
        if let Some(spot) = own.spot {
            let spotted = self.at_spot(&pool, spot).filter(|&at| {
                // "The man on the left" is not him who stands on the right.
                pool.len() > 1 || self.at_spot(&everybody, spot) == Some(at) || !is_side(spot)
            });
            return match spotted {
                Some(at) => Ok(vec![at]),
                None if pool.is_empty() => Err(self.nobody(own)),
                None => Err(Unclear::OneOf(everybody)),
            };
        }
        if pool.len() > 1 {
            let fitting: Vec<usize> = pool.iter().copied().filter(|&at| fits(at)).collect();
            if !fitting.is_empty() {
                pool = fitting;
            }
        }
        if pool.len() > 1 && own.pronoun.is_some() {
            let known: Vec<usize> = pool
                .iter()
                .copied()
                .filter(|at| self.mentioned.contains(at))
                .collect();
            if known.len() == 1 {
                pool = known;
            }
        }
        match pool.len() {
            0 => Err(self.nobody(own)),
            1 => Ok(pool),
            _ => Err(Unclear::OneOf(pool)),
        }
    }

    fn by_pronoun(&self, pronoun: Pronoun, pool: &[usize]) -> Vec<usize> {
        let genders = &self.lexicon.genders;
        let noun = |at: usize| &self.scene.subjects[at].noun;
        let people = |at: usize| {
            let lists = [&genders.feminine, &genders.masculine, &genders.either];
            lists.iter().any(|list| list.contains(noun(at))) && !genders.animals.contains(noun(at))
        };
        let fitting: Vec<usize> = if pronoun == Pronoun::Neuter {
            pool.iter().copied().filter(|&at| !people(at)).collect()
        } else {
            let own = if pronoun == Pronoun::Feminine {
                &genders.feminine
            } else {
                &genders.masculine
            };
            let own = |at: usize| own.contains(noun(at)) || genders.either.contains(noun(at));
            pool.iter().copied().filter(|&at| own(at)).collect()
        };
        // People before animals and robots.
        let first: Vec<usize> = fitting.iter().copied().filter(|&at| people(at)).collect();
        if first.is_empty() { fitting } else { first }
    }

    fn at_spot(&self, pool: &[usize], spot: Spot) -> Option<usize> {
        let mut ordered = pool.to_vec();
        ordered.sort_by_key(|&at| self.scene.subjects[at].place);
        match spot {
            Spot::Left => ordered.first().copied(),
            Spot::Right => ordered.last().copied(),
            Spot::Middle if ordered.len() % 2 == 1 => ordered.get(ordered.len() / 2).copied(),
            Spot::Middle => None,
            Spot::Nth(at) => ordered.get(at).copied(),
        }
    }

    /// Whether `word` stands up to three words before the subject's noun.
    fn has_word_before(&self, at: usize, word: &str) -> bool {
        let prompt = &self.scene.prompt;
        let words = split_words(prompt);
        let noun = &self.scene.subjects[at].bytes;
        let Some(own) = words.iter().position(|bytes| bytes == noun) else {
            return false;
        };
        let before = &words[own.saturating_sub(3)..own];
        before
            .iter()
            .any(|bytes| prompt[bytes.clone()].to_lowercase() == word)
    }

    fn nobody(&self, own: &Ref) -> Unclear {
        let text = if own.text.is_empty() {
            "such one"
        } else {
            &own.text
        };
        let names: Vec<String> = (0..self.scene.subjects.len())
            .map(|at| self.scene.name_of(at))
            .collect();
        Unclear::Nobody(if names.is_empty() {
            format!("I find no “{text}”: the prompt names no subject that I know.")
        } else {
            format!(
                "I find no “{text}” in the picture; there is {}.",
                list(&names, "and")
            )
        })
    }
}

fn is_side(spot: Spot) -> bool {
    matches!(spot, Spot::Left | Spot::Right)
}

/// `a, b and c`.
pub(super) fn list(names: &[String], last: &str) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}
