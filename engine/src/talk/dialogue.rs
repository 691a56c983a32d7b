//! What was said before, what is open, and what the next sentence means.

use super::clause::{Clause, Follow, Ref, clauses};
use super::moves::{Move, Outcome, Question, Understood, WordsMove};
use super::resolve::{Choice, Made, Resolver, Stop};
use super::scan::{Item, items};
use super::special::replacement;
use super::telling::{sentence, words_sentence};
use super::tokens::tokens;
use super::vocabulary::{Sense, Vocabulary};
use super::who::Context;
use super::wording::Wording;
use super::{Lexicon, Scene};

/// A talk about one picture and those that come of it.
#[derive(Debug, Clone, Default)]
pub struct Dialogue {
    /// The moves of the last change.
    last: Vec<Made>,
    /// Nouns spoken of last, by where they stand in the prompt.
    mentioned: Vec<usize>,
    open: Option<Open>,
    /// The prompt that places in it are of.
    prompt: String,
}

/// A question that waits for its answer.
#[derive(Debug, Clone)]
struct Open {
    clauses: Vec<Clause>,
    /// The clause that it is about.
    at: usize,
    choices: Vec<(String, Choice)>,
}

impl Dialogue {
    /// A talk of which nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a question waits for its answer.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What `sentence` means where `scene` is in view and all before was said.
    pub fn understand(&mut self, lexicon: &Lexicon, scene: &Scene, sentence: &str) -> Outcome {
        if self.prompt != scene.prompt {
            // Other words: places in the old ones mean nothing.
            self.prompt.clone_from(&scene.prompt);
            self.open = None;
            self.mentioned.clear();
            self.last.clear();
        }
        let vocabulary = Vocabulary::new(lexicon, scene);
        let found = items(&tokens(sentence), &vocabulary);
        if let Some(open) = self.open.take()
            && let Some(outcome) = self.answer(open, lexicon, scene, &found)
        {
            return outcome;
        }
        if let Some(outcome) = steps_in_time(lexicon, &found) {
            return outcome;
        }
        let mut all = Vec::new();
        let mut plain: Vec<Item> = Vec::new();
        for segment in found.split_inclusive(Item::is_separator) {
            let said: Vec<Item> = segment
                .iter()
                .filter(|i| !i.is_separator())
                .cloned()
                .collect();
            match replacement(&said, lexicon, scene) {
                Some(clause) => {
                    all.extend(clauses(&std::mem::take(&mut plain), scene));
                    all.push(clause);
                }
                None => plain.extend_from_slice(segment),
            }
        }
        all.extend(clauses(&plain, scene));
        if all.iter().any(|clause| clause.half_of_that) {
            all.retain(|clause| clause.follow != Some(Follow::TooMuch));
        }
        self.settle(all, lexicon, scene)
    }

    /// The answer to `open`, where the sentence is one.
    fn answer(
        &mut self,
        open: Open,
        lexicon: &Lexicon,
        scene: &Scene,
        found: &[Item],
    ) -> Option<Outcome> {
        if found.iter().any(|item| item.is(&Sense::NeverMind)) {
            return Some(nothing_changes());
        }
        let choice = Self::chosen(&open, lexicon, scene, found)?;
        let mut all = open.clauses;
        match choice {
            Choice::Subjects(subjects) => {
                let fixed = |subject| Ref {
                    fixed: Some(subject),
                    ..Ref::default()
                };
                all[open.at].who = subjects.into_iter().map(fixed).collect();
            }
            Choice::Attribute(attribute) => all[open.at].only = Some(attribute),
        }
        Some(self.settle(all, lexicon, scene))
    }

    fn chosen(open: &Open, lexicon: &Lexicon, scene: &Scene, found: &[Item]) -> Option<Choice> {
        let said: Vec<&Item> = found.iter().filter(|i| !i.is_separator()).collect();
        let texts: Vec<&str> = said.iter().map(|item| item.text.as_str()).collect();
        let text = texts.join(" ");
        let of_label = |label: &str| {
            let words: Vec<String> = tokens(label).into_iter().map(|t| t.text).collect();
            words.join(" ") == text
        };
        if let Some((_, choice)) = open.choices.iter().find(|(label, _)| of_label(label)) {
            return Some(choice.clone());
        }
        if let [only] = said.as_slice()
            && let Some(number) = only.number
        {
            let at = number as usize;
            return Some(open.choices.get(at.checked_sub(1)?)?.1.clone());
        }
        let answered = clauses(found, scene);
        let [clause] = answered.as_slice() else {
            return None;
        };
        let offered: Vec<usize> = open
            .choices
            .iter()
            .filter_map(|(_, choice)| match choice {
                Choice::Subjects(subjects) => Some(subjects.clone()),
                Choice::Attribute(_) => None,
            })
            .flatten()
            .collect();
        if offered.is_empty() {
            let own = |choice: &Choice| match choice {
                Choice::Attribute(attribute) => clause.nouns.contains(attribute),
                Choice::Subjects(_) => false,
            };
            let mut fitting = open.choices.iter().filter(|(_, choice)| own(choice));
            let first = fitting.next()?;
            return fitting.next().is_none().then(|| first.1.clone());
        }
        if clause.says_something() || clause.is_also {
            return None;
        }
        let context = Context {
            lexicon,
            scene,
            mentioned: &[],
        };
        let subjects = context.all(&clause.who, &|at| offered.contains(&at)).ok()?;
        let subjects: Option<Vec<usize>> = subjects.into_iter().collect();
        let subjects = subjects?;
        let all_offered = subjects.iter().all(|at| offered.contains(at));
        (all_offered && !subjects.is_empty()).then_some(Choice::Subjects(subjects))
    }

    fn settle(&mut self, all: Vec<Clause>, lexicon: &Lexicon, scene: &Scene) -> Outcome {
        let mut resolver = Resolver {
            lexicon,
            scene,
            mentioned: self.mentioned.clone(),
            inherited: Vec::new(),
        };
        let mut made: Vec<Made> = Vec::new();
        let mut words: Vec<WordsMove> = Vec::new();
        let mut told: Vec<String> = Vec::new();
        let before = self.last.clone();
        if all.is_empty() {
            let there = resolver.what_there_is(None);
            return refusal(format!("I do not understand that; {there}."));
        }
        for (at, clause) in all.iter().enumerate() {
            let last = if made.is_empty() { &before } else { &made };
            match resolve(&resolver, clause, last) {
                Ok((controls, changed)) => {
                    let of = controls.iter().filter_map(|made| made.subject);
                    let spoken: Vec<usize> = of.chain(changed.1).collect();
                    if !spoken.is_empty() {
                        resolver.inherited.clone_from(&spoken);
                        resolver.mentioned = spoken;
                    }
                    made.extend(controls);
                    words.extend(changed.0);
                }
                Err(Stop::Nothing(say)) => told.push(say),
                Err(Stop::Refuse(text)) => return refusal(text),
                Err(Stop::Ask { text, choices }) => {
                    let labels = choices.iter().map(|(label, _)| label.clone()).collect();
                    self.open = Some(Open {
                        clauses: all,
                        at,
                        choices,
                    });
                    return Outcome::Ask(Question {
                        text,
                        choices: labels,
                    });
                }
            }
        }
        self.mentioned.clone_from(&resolver.mentioned);
        if made.is_empty() && words.is_empty() {
            if told.is_empty() {
                return nothing_changes();
            }
            return Outcome::Nothing {
                say: told.join(" "),
            };
        }
        let mut sentences: Vec<String> = made.iter().map(|own| sentence(&resolver, own)).collect();
        sentences.extend(words.iter().map(words_sentence));
        sentences.extend(told);
        let controls = made.iter().map(|own| Move::Control(own.control.clone()));
        let moves = controls.chain(words.into_iter().map(Move::Words)).collect();
        self.last = made;
        Outcome::Change(Understood {
            moves,
            summary: sentences.join(" "),
        })
    }
}

/// Changes of words, and whom they are about.
type Worded = (Vec<WordsMove>, Vec<usize>);

fn resolve(
    resolver: &Resolver<'_>,
    clause: &Clause,
    last: &[Made],
) -> Result<(Vec<Made>, Worded), Stop> {
    let none = || (Vec::new(), Vec::new());
    if clause.changes_words() && clause.unknown.is_empty() {
        return Ok((Vec::new(), words_moves(resolver, clause)?));
    }
    if clause.names_something() {
        return Ok((resolver.control_moves(clause)?, none()));
    }
    if clause.says_something() || clause.is_also {
        let only_not = Clause {
            who: clause.who.clone(),
            is_not: true,
            ..Clause::default()
        };
        if *clause == only_not && !clause.who.is_empty() {
            // "But not the man": he stays as he is.
            return Ok((Vec::new(), none()));
        }
        if clause.is_not && clause.follow.is_none() && clause.scale.is_none() {
            return Err(resolver.not_understood(clause));
        }
        return Ok((resolver.follow_up(clause, last)?, none()));
    }
    let who = resolver.named(&clause.who, &|_| true, "change")?;
    let subject = who.first().copied().flatten();
    let name = subject.map_or_else(|| "the picture".to_owned(), |at| resolver.scene.name_of(at));
    Err(Stop::Refuse(format!(
        "What about {name}? For it {}.",
        resolver.what_there_is(subject)
    )))
}

/// Changes that no control makes.
fn words_moves(resolver: &Resolver<'_>, clause: &Clause) -> Result<Worded, Stop> {
    let wording = Wording::new(resolver.lexicon, resolver.scene);
    if let Some((from, to)) = &clause.replace {
        let change = wording.replace(from, to).map_err(Stop::Refuse)?;
        return Ok((vec![change], Vec::new()));
    }
    let what = clause
        .things
        .first()
        .or(clause.noun_texts.first())
        .cloned()
        .unwrap_or_else(|| "look".to_owned());
    let look = clause.colour.as_ref().or(clause.material.as_ref());
    let is_more_or_less = !clause.is_not && (clause.scale.is_some() || !clause.is_with);
    if look.is_none() && is_more_or_less {
        let there = resolver.what_there_is(None);
        return Err(Stop::Refuse(format!(
            "I know no control for “{what}”; {there}. Words can give or take it: say “with a \
             {what}” or “no {what}”."
        )));
    }
    let everybody = resolver.scene.subjects.len();
    let subjects: Vec<usize> = if !clause.who.is_empty() {
        let named = resolver.named(&clause.who, &|_| true, &what)?;
        named.into_iter().flatten().collect()
    } else if !resolver.inherited.is_empty() {
        resolver.inherited.clone()
    } else if everybody == 1 {
        vec![0]
    } else {
        let who = Ref {
            is_one: true,
            ..Ref::default()
        };
        let named = resolver.named(&[who], &|_| true, &what)?;
        named.into_iter().flatten().collect()
    };
    let mut changes = Vec::new();
    for &subject in &subjects {
        let change = match (look, clause.things.first()) {
            (Some(look), _) => wording.look(clause, subject, look),
            (None, Some(thing)) if clause.is_not => wording.remove(subject, thing),
            (None, _) => wording.add(subject, &what, None),
        };
        changes.push(change.map_err(Stop::Refuse)?);
    }
    Ok((changes, subjects))
}

/// Undo, redo and "never mind", where the sentence says nothing else.
fn steps_in_time(lexicon: &Lexicon, found: &[Item]) -> Option<Outcome> {
    let has = |sense: &Sense| found.iter().any(|item| item.is(sense));
    let (undo, redo, drop) = (has(&Sense::Undo), has(&Sense::Redo), has(&Sense::NeverMind));
    if !(undo || redo || drop) {
        return None;
    }
    let mut count = 1;
    for item in found {
        let times = lexicon.times.get(&item.text).copied();
        let number = item.number.filter(|n| *n >= 1.0).map(|n| n as usize);
        if let Some(times) = times.or(number) {
            count = times;
        } else {
            let is_step = item.is(&Sense::Undo) || item.is(&Sense::Redo);
            let is_idle = item.is_filler()
                || item.is_separator()
                || item.is(&Sense::NeverMind)
                || matches!(
                    item.text.as_str(),
                    "that" | "it" | "this" | "times" | "steps" | "changes" | "last" | "both"
                );
            if !is_step && !is_idle && !drop {
                return Some(refusal(
                    "One after the other, please: undo by itself, and then what is to change."
                        .to_owned(),
                ));
            }
        }
    }
    if drop && !undo && !redo {
        let only = found
            .iter()
            .all(|item| item.is(&Sense::NeverMind) || item.is_filler() || item.is_separator());
        return only.then(nothing_changes);
    }
    Some(if undo {
        Outcome::Undo { count }
    } else {
        Outcome::Redo
    })
}

fn refusal(text: String) -> Outcome {
    Outcome::Ask(Question {
        text,
        choices: Vec::new(),
    })
}

fn nothing_changes() -> Outcome {
    Outcome::Nothing {
        say: "All right, nothing changes.".to_owned(),
    }
}
