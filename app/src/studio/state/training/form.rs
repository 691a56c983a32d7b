//! What is to be trained, as the artist fills it in.

use std::collections::BTreeSet;

use vernier_engine::control_training::{
    AdapterPlan, DirectionPlan, PicturePlan, PromptPlan, SliderPlan, TrainingMethod, TrainingPlan,
    ValuePlan, checked_name,
};
use vernier_engine::controls::Architecture;

use super::Sheet;

/// Stands for the subject's noun in a prompt.
const SUBJECT: &str = "{subject}";

/// The ways to make a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrainingKind {
    /// A token direction.
    #[default]
    Direction,
    /// A Concept Slider.
    Slider,
    /// Value tokens.
    Value,
    /// An Att-Adapter.
    AttAdapter,
}

impl TrainingKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Direction, Self::Slider, Self::Value, Self::AttAdapter];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Direction => "Direction from words",
            Self::Slider => "Concept slider from words",
            Self::Value => "Value from pictures",
            Self::AttAdapter => "Att-Adapter from pictures",
        }
    }

    /// What it is for, in a sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Direction => {
                "Moves one attribute of one subject of the prompt; minutes, from prompts alone"
            }
            Self::Slider => {
                "Moves an attribute of the whole picture; some minutes, from prompts alone"
            }
            Self::Value => "Sets what a picture measures, such as its brightness, by a value",
            Self::AttAdapter => "Sets several attributes by value, learnt from columns of a table",
        }
    }

    /// Whether it learns from the folder of pictures.
    pub fn needs_pictures(self) -> bool {
        matches!(self, Self::Value | Self::AttAdapter)
    }

    /// Steps and learning rate that are usual for it.
    fn usual(self) -> (u64, f64) {
        let plan = TrainingPlan::new("", self.method());
        (plan.steps, plan.learning_rate)
    }

    fn method(self) -> TrainingMethod {
        match self {
            Self::Direction => TrainingMethod::Direction(DirectionPlan::default()),
            Self::Slider => TrainingMethod::Slider(SliderPlan::default()),
            Self::Value => TrainingMethod::Value(ValuePlan::of(PicturePlan::of(""))),
            Self::AttAdapter => TrainingMethod::AttAdapter(AdapterPlan::of(PicturePlan::of(""))),
        }
    }
}

/// The form.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingForm {
    /// The control's name.
    pub name: String,
    /// How it comes to be.
    pub kind: TrainingKind,
    /// What stands for less and for more of the attribute: words before the noun, or whole prompts
    /// with `{subject}`.
    pub pairs: Vec<[String; 2]>,
    /// Nouns, separated by commas.
    pub subjects: String,
    /// What may stand before the prompts, one a line.
    pub prefixes: String,
    /// Whether the text encoder's own difference will do, without training.
    pub is_difference: bool,
    /// Words that a slider shall leave alone, separated by commas.
    pub preserved: String,
    /// A slider's rank.
    pub rank: u32,
    /// Quantities that are measured.
    pub quantities: BTreeSet<String>,
    /// Columns that are learnt.
    pub columns: BTreeSet<String>,
    /// How an adapter works.
    pub architecture: Architecture,
    /// Pictures that a worker takes each step.
    pub batch: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Minutes between strips of pictures; 0 for none.
    pub strip_every_min: f64,
    /// Workers; 0 for as many as suit the model and the machine.
    pub workers: usize,
}

impl Default for TrainingForm {
    fn default() -> Self {
        let kind = TrainingKind::default();
        let (steps, learning_rate) = kind.usual();
        Self {
            name: String::new(),
            kind,
            pairs: vec![[String::new(), String::new()]],
            subjects: String::new(),
            prefixes: String::new(),
            is_difference: false,
            preserved: String::new(),
            rank: SliderPlan::default().rank,
            quantities: BTreeSet::new(),
            columns: BTreeSet::new(),
            architecture: Architecture::default(),
            batch: PicturePlan::of("").batch,
            steps,
            learning_rate,
            seed: 0,
            strip_every_min: PromptPlan::default().strip_every_min,
            workers: 0,
        }
    }
}

impl TrainingForm {
    /// Chooses how the control comes to be; numbers that were as usual become so for it.
    pub fn choose(&mut self, kind: TrainingKind) {
        let (steps, rate) = self.kind.usual();
        let (usual_steps, usual_rate) = kind.usual();
        if self.steps == steps {
            self.steps = usual_steps;
        }
        if (self.learning_rate - rate).abs() < f64::EPSILON {
            self.learning_rate = usual_rate;
        }
        self.kind = kind;
    }

    /// The training that it asks for, from the pictures of `sheet` where it needs some.
    ///
    /// # Errors
    /// Something is missing; one sentence that says what to do.
    pub fn plan(&self, sheet: Option<&Sheet>) -> Result<TrainingPlan, String> {
        let name = self.name.trim();
        if name.is_empty() {
            return Err("Give the control a name".to_owned());
        }
        let name = checked_name(name).map_err(|e| e.to_string())?;
        let method = match self.kind {
            TrainingKind::Direction => TrainingMethod::Direction(DirectionPlan {
                prompts: self.prompts()?,
                is_difference: self.is_difference,
                ..DirectionPlan::default()
            }),
            TrainingKind::Slider => TrainingMethod::Slider(SliderPlan {
                prompts: self.prompts()?,
                rank: self.rank,
                preserved: listed(&self.preserved),
                ..SliderPlan::default()
            }),
            TrainingKind::Value => {
                let sheet = needed(sheet)?;
                let plan = ValuePlan {
                    quantities: self.quantities.iter().cloned().collect(),
                    columns: self.chosen_columns(sheet),
                    ..ValuePlan::of(self.pictures(sheet))
                };
                if plan.quantities.is_empty() && plan.columns.is_empty() {
                    return Err("Choose what the value is: a quantity or a column".to_owned());
                }
                TrainingMethod::Value(plan)
            }
            TrainingKind::AttAdapter => {
                let sheet = needed(sheet)?;
                let columns = self.chosen_columns(sheet);
                if columns.is_empty() {
                    return Err("Choose the columns that it learns".to_owned());
                }
                TrainingMethod::AttAdapter(AdapterPlan {
                    columns,
                    architecture: self.architecture,
                    ..AdapterPlan::of(self.pictures(sheet))
                })
            }
        };
        Ok(TrainingPlan {
            steps: self.steps,
            learning_rate: self.learning_rate,
            seed: self.seed,
            workers: (self.workers > 0).then_some(self.workers),
            ..TrainingPlan::new(name, method)
        })
    }

    fn prompts(&self) -> Result<PromptPlan, String> {
        let subjects = listed(&self.subjects);
        if subjects.is_empty() {
            return Err("Name the subjects that it is for, such as man, woman".to_owned());
        }
        let written = |word: &String| !word.trim().is_empty();
        let pairs = self.pairs.iter().filter(|pair| pair.iter().any(written));
        let mut prompts = PromptPlan {
            subjects,
            prefixes: self.prefixes.lines().map(|l| l.trim().to_owned()).collect(),
            strip_every_min: self.strip_every_min,
            ..PromptPlan::default()
        };
        for pair in pairs {
            let [less, more] = pair;
            if !written(less) || !written(more) {
                return Err("Each pair needs both its ends, such as young and old".to_owned());
            }
            prompts.negative.push(template(less));
            prompts.positive.push(template(more));
        }
        if prompts.positive.is_empty() {
            return Err("Give it a pair of words, such as young and old".to_owned());
        }
        Ok(prompts)
    }

    fn pictures(&self, sheet: &Sheet) -> PicturePlan {
        PicturePlan {
            table: sheet.uses_table().then(|| sheet.table.clone()),
            batch: self.batch,
            ..PicturePlan::of(&sheet.folder)
        }
    }

    fn chosen_columns(&self, sheet: &Sheet) -> Vec<String> {
        let columns = sheet.columns.iter();
        columns
            .filter(|c| self.columns.contains(*c))
            .cloned()
            .collect()
    }
}

fn needed(sheet: Option<&Sheet>) -> Result<&Sheet, String> {
    sheet.ok_or_else(|| "Open a folder of pictures to learn from".to_owned())
}

fn listed(text: &str) -> Vec<String> {
    let words = text.split(',').map(str::trim);
    words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// A prompt of words that stand before the noun; the engine sets "a" and "an" to fit.
fn template(words: &str) -> String {
    let words = words.trim();
    if words.contains(SUBJECT) {
        words.to_owned()
    } else {
        format!("a {words} {SUBJECT}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> TrainingForm {
        TrainingForm {
            name: "age".to_owned(),
            pairs: vec![
                ["young".to_owned(), "old".to_owned()],
                [String::new(), String::new()],
            ],
            subjects: " man, woman,".to_owned(),
            ..TrainingForm::default()
        }
    }

    #[test]
    fn words_become_prompts_and_numbers_follow_the_kind() {
        let mut form = form();
        let plan = form.plan(None).unwrap();
        assert_eq!(
            plan.command(),
            "vernier train direction age --positive 'a old {subject}' --negative \
             'a young {subject}' --subjects man,woman"
        );
        form.choose(TrainingKind::Slider);
        assert_eq!(form.steps, 500);
        form.steps = 7;
        form.choose(TrainingKind::Value);
        assert_eq!(form.steps, 7);
    }

    #[test]
    fn what_is_missing_is_said() {
        let said = |change: &dyn Fn(&mut TrainingForm)| {
            let mut form = form();
            change(&mut form);
            form.plan(None).unwrap_err()
        };
        assert!(said(&|f| f.name.clear()).contains("a name"));
        assert!(said(&|f| f.name = "a/b".to_owned()).contains("use letters"));
        assert!(said(&|f| f.subjects.clear()).contains("subjects"));
        assert!(said(&|f| f.pairs.clear()).contains("pair of words"));
        assert!(said(&|f| f.pairs[0][0].clear()).contains("both its ends"));
        assert!(said(&|f| f.kind = TrainingKind::Value).contains("folder of pictures"));
    }
}
