//! Phrases put together: who, what, which way, how far.

use super::Scene;
use super::scan::Item;
use super::vocabulary::{Pronoun, Sense, Spot, Way};
use crate::conditioning::split_words;

/// How far something is to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    /// A part of the whole range.
    Step(f64),
    /// The reading that an adjective then stands for.
    Grade(f64),
    Factor(f64),
    To(f64),
    By(f64),
    Halfway,
    End,
    Neutral,
}

/// What a clause says about the change before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    TooMuch,
    NotEnough,
    Again,
    Reverse,
    /// The same for somebody else.
    Also,
}

/// Words that stand for a subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ref {
    pub(super) kinds: Vec<String>,
    pub(super) pronoun: Option<Pronoun>,
    pub(super) spot: Option<Spot>,
    pub(super) is_other: bool,
    pub(super) is_one: bool,
    pub(super) is_picture: bool,
    pub(super) adjectives: Vec<String>,
    pub(super) text: String,
    /// The subject itself, once an answer has said it.
    pub(super) fixed: Option<usize>,
}

/// A word that says an attribute's way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SaidWord {
    pub(super) text: String,
    /// Attribute, way, and whether it may stand without the noun.
    pub(super) ways: Vec<(String, Way, bool)>,
    /// What it means where its attributes are not those of the noun beside it.
    pub(super) scale: Option<f64>,
}

/// One wish.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a word that was said or was not"
)]
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Clause {
    pub(super) who: Vec<Ref>,
    /// Attributes that nouns name, and those nouns.
    pub(super) nouns: Vec<String>,
    pub(super) noun_texts: Vec<String>,
    pub(super) said: Option<SaidWord>,
    pub(super) scale: Option<(f64, bool)>,
    pub(super) amount: Option<Amount>,
    pub(super) is_not: bool,
    pub(super) is_with: bool,
    /// "too old".
    pub(super) is_too: bool,
    /// "old enough".
    pub(super) is_enough: bool,
    pub(super) is_also: bool,
    pub(super) follow: Option<Follow>,
    pub(super) half_of_that: bool,
    pub(super) colour: Option<String>,
    pub(super) material: Option<String>,
    pub(super) things: Vec<String>,
    pub(super) unknown: Vec<String>,
    /// Words of the prompt, and what takes their place.
    pub(super) replace: Option<(String, String)>,
    /// The attribute that an answer chose.
    pub(super) only: Option<String>,
}

impl Clause {
    /// Whether it says anything beside whom it is about.
    pub(super) fn says_something(&self) -> bool {
        let bare = Self {
            who: self.who.clone(),
            is_also: self.is_also,
            is_with: self.is_with,
            ..Self::default()
        };
        *self != bare
    }

    /// Whether it names what is to change.
    pub(super) fn names_something(&self) -> bool {
        !self.nouns.is_empty()
            || self.said.is_some()
            || self.changes_words()
            || !self.unknown.is_empty()
    }

    pub(super) fn changes_words(&self) -> bool {
        self.colour.is_some()
            || self.material.is_some()
            || !self.things.is_empty()
            || self.replace.is_some()
    }

    fn is_empty(&self) -> bool {
        self.who.is_empty() && !self.is_also && !self.says_something()
    }
}

/// The wishes of a sentence, in order; subjects that several share are put to each.
pub(super) fn clauses(items: &[Item], scene: &Scene) -> Vec<Clause> {
    let mut all = Vec::new();
    for segment in items.split(Item::is_separator) {
        let mut builder = Builder {
            scene,
            done: Vec::new(),
            now: Clause::default(),
            spoken: false,
        };
        for at in 0..segment.len() {
            builder.take(segment, at);
        }
        all.extend(builder.finish());
    }
    shared(all)
}

/// Puts what is said once for several to each of them.
fn shared(all: Vec<Clause>) -> Vec<Clause> {
    let mut done: Vec<Clause> = Vec::new();
    let mut waiting: Vec<Ref> = Vec::new();
    for mut clause in all {
        if clause.is_empty() {
            continue;
        }
        if clause.says_something() {
            let mut own = std::mem::take(&mut clause.who);
            if clause.follow.is_some() || clause.half_of_that {
                // "That's too much": the change, not a thing.
                own.retain(|who| who.pronoun != Some(Pronoun::Neuter));
            }
            clause.who = waiting.drain(..).chain(own).collect();
            done.push(clause);
        } else if clause.is_also {
            clause.who.splice(0..0, waiting.drain(..));
            if let Some(before) = done.last() {
                let who = clause.who;
                done.push(Clause {
                    who,
                    ..before.clone()
                });
            } else {
                clause.follow = Some(Follow::Also);
                done.push(clause);
            }
        } else {
            waiting.append(&mut clause.who);
        }
    }
    if !waiting.is_empty() {
        match done.last_mut() {
            Some(last) => last.who.append(&mut waiting),
            None => done.push(Clause {
                who: waiting,
                ..Clause::default()
            }),
        }
    }
    done
}

struct Builder<'a> {
    scene: &'a Scene,
    done: Vec<Clause>,
    now: Clause,
    /// Whether something was said since the last subject.
    spoken: bool,
}

impl Builder<'_> {
    fn finish(mut self) -> Vec<Clause> {
        self.close();
        self.done
    }

    fn close(&mut self) {
        let clause = std::mem::take(&mut self.now);
        if !clause.is_empty() {
            self.done.push(clause);
        }
        self.spoken = false;
    }

    fn take(&mut self, segment: &[Item], at: usize) {
        let item = &segment[at];
        let next = segment.get(at + 1);
        let before = at.checked_sub(1).and_then(|at| segment.get(at));
        if let Some(number) = item.number {
            let by = before.is_some_and(|before| before.text == "by");
            self.now.amount = Some(if by {
                Amount::By(number)
            } else {
                Amount::To(number)
            });
            self.spoken = true;
            return;
        }
        // "A bigger car" wishes for one, "the bigger car" is one.
        let compares = item
            .senses
            .iter()
            .any(|sense| matches!(sense, Sense::Said(_, Way::Up | Way::Down, _)));
        let is_wish = compares && before.is_none_or(|before| before.text != "the");
        let is_adjective = (item.said() && !is_wish)
            || item.is(&Sense::Colour)
            || item.is(&Sense::Material)
            || (item.senses.is_empty() && self.in_prompt(&item.text));
        if is_adjective && next.is_some_and(Item::names_a_subject) {
            self.subject().adjectives.push(item.text.clone());
            return;
        }
        if item.senses.is_empty() || Self::compares(segment, at) {
            self.now.unknown.push(item.text.clone());
            self.spoken = true;
            return;
        }
        if self.take_subject(item) || item.is_filler() {
            return;
        }
        self.take_predicate(item, segment.get(at + 1..).unwrap_or_default());
    }

    /// Whether `as` here holds two subjects against each other, which nothing can do.
    fn compares(segment: &[Item], at: usize) -> bool {
        let mut rest = segment
            .iter()
            .skip(at + 1)
            .filter(|item| !(item.is_filler() && matches!(item.text.as_str(), "the" | "a" | "of")));
        segment[at].text == "as"
            && rest.next().is_some_and(|next| {
                let pronoun = next.senses.iter().any(|s| matches!(s, Sense::Pronoun(_)));
                pronoun || next.names_a_subject()
            })
    }

    fn in_prompt(&self, word: &str) -> bool {
        let prompt = &self.scene.prompt;
        let mut words = split_words(prompt).into_iter();
        words.any(|bytes| prompt[bytes].to_lowercase() == word)
    }

    /// The subject that is being spoken of, or a new one.
    fn subject(&mut self) -> &mut Ref {
        let open = self.now.who.last().is_some_and(|last| {
            last.kinds.is_empty() && last.pronoun.is_none() && !last.is_one && !last.is_picture
        });
        if !open || self.spoken {
            self.new_subject();
        }
        let at = self.now.who.len() - 1;
        &mut self.now.who[at]
    }

    fn new_subject(&mut self) {
        if self.spoken && !self.now.who.is_empty() {
            self.close();
        }
        self.now.who.push(Ref::default());
        self.spoken = false;
    }

    fn take_subject(&mut self, item: &Item) -> bool {
        for sense in &item.senses {
            match sense {
                Sense::Pronoun(pronoun) => {
                    self.new_subject();
                    let own = self.subject();
                    own.pronoun = Some(*pronoun);
                    own.text.clone_from(&item.text);
                }
                Sense::Kinds(kinds) => {
                    let own = self.subject();
                    own.kinds.clone_from(kinds);
                    own.text.clone_from(&item.text);
                }
                Sense::One => {
                    let own = self.subject();
                    own.is_one = true;
                }
                Sense::Other => {
                    self.new_subject();
                    let own = self.subject();
                    own.is_other = true;
                    own.is_one = item.text.contains("one");
                    own.text.clone_from(&item.text);
                }
                Sense::Picture => {
                    self.new_subject();
                    let own = self.subject();
                    own.is_picture = true;
                    own.text.clone_from(&item.text);
                }
                Sense::Spot(spot) => {
                    let free = self.now.who.last().is_some_and(|last| last.spot.is_none());
                    if !free {
                        self.new_subject();
                    }
                    let at = self.now.who.len() - 1;
                    self.now.who[at].spot = Some(*spot);
                }
                _ => continue,
            }
            return true;
        }
        false
    }

    fn take_predicate(&mut self, item: &Item, rest: &[Item]) {
        let now = &mut self.now;
        let mut ways = Vec::new();
        let mut scale = None;
        let mut is_noun = false;
        for sense in &item.senses {
            match sense {
                Sense::Noun(attribute) => {
                    now.nouns.push(attribute.clone());
                    is_noun = true;
                }
                Sense::Said(attribute, way, alone) => {
                    ways.push((attribute.clone(), *way, *alone));
                }
                Sense::Scale(sign, quantity) => scale = Some((*sign, *quantity)),
                Sense::Not => now.is_not = true,
                Sense::With => now.is_with = true,
                Sense::Step(step) => now.amount = now.amount.or(Some(Amount::Step(*step))),
                Sense::Grade(level) => now.amount = now.amount.or(Some(Amount::Grade(*level))),
                Sense::Factor(factor) => now.amount = Some(Amount::Factor(*factor)),
                Sense::Halfway => now.amount = Some(Amount::Halfway),
                Sense::End => now.amount = Some(Amount::End),
                Sense::Neutral => now.amount = Some(Amount::Neutral),
                Sense::HalfOfThat => now.half_of_that = true,
                Sense::TooMuch => now.follow = Some(Follow::TooMuch),
                Sense::NotEnough => now.follow = Some(Follow::NotEnough),
                Sense::Again => now.follow = Some(Follow::Again),
                Sense::Reverse => now.follow = Some(Follow::Reverse),
                Sense::Also => now.is_also = true,
                Sense::Too => {
                    let mut rest = rest.iter().filter(|item| !item.is_filler());
                    if rest.next().is_some_and(Item::said) {
                        now.is_too = true;
                    } else {
                        now.is_also = true;
                    }
                }
                Sense::Enough => now.is_enough = true,
                Sense::Colour => now.colour = Some(item.text.clone()),
                Sense::Material if !item.is(&Sense::Colour) => {
                    now.material = Some(item.text.clone());
                }
                Sense::Thing => now.things.push(item.text.clone()),
                _ => {}
            }
        }
        if is_noun {
            now.noun_texts.push(item.text.clone());
        }
        if ways.is_empty() {
            now.scale = scale.or(now.scale);
        } else {
            let said = SaidWord {
                text: item.text.clone(),
                ways,
                scale: scale.map(|(sign, _)| sign),
            };
            // "smile wider" and "hair longer": the word that says more wins over the bare verb.
            if now.said.is_none() || !is_noun {
                now.said = Some(said);
            }
        }
        if !item.is(&Sense::Also) {
            self.spoken = true;
        }
    }
}
