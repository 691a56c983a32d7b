//! A plan as the command that does the same.

use std::fmt::Display;
use std::path::Path;

use super::{
    AdapterPlan, DirectionPlan, PicturePlan, PromptPlan, SliderPlan, TrainingMethod, TrainingPlan,
    ValuePlan,
};

impl TrainingPlan {
    /// The words of the `vernier train` command that does the same, the program's name first.
    /// What is as usual is left out.
    pub fn words(&self) -> Vec<String> {
        let usual = Self::new("", self.method.clone());
        let mut words = Words(vec!["vernier".to_owned(), "train".to_owned()]);
        words.plain(match &self.method {
            TrainingMethod::Direction(_) => "direction",
            TrainingMethod::Slider(_) => "slider",
            TrainingMethod::Value(_) => "value",
            TrainingMethod::AttAdapter(_) => "att-adapter",
        });
        words.plain(&self.name);
        match &self.method {
            TrainingMethod::Direction(plan) => words.direction(plan),
            TrainingMethod::Slider(plan) => words.slider(plan),
            TrainingMethod::Value(plan) => words.value(plan),
            TrainingMethod::AttAdapter(plan) => words.adapter(plan),
        }
        words.unless("--steps", &self.steps, &usual.steps);
        words.unless("--lr", &self.learning_rate, &usual.learning_rate);
        words.unless("--decay", &self.decay, &usual.decay);
        words.unless("--weight-decay", &self.weight_decay, &usual.weight_decay);
        words.unless("--seed", &self.seed, &usual.seed);
        words.given("--workers", self.workers.as_ref());
        words.unless("--about", &self.about, &usual.about);
        words.path("--model", self.model.as_deref());
        words.unless("--device", &self.device, &usual.device);
        words.unless("--dtype", &self.dtype.name(), &usual.dtype.name());
        words.path("--out", self.out.as_deref());
        words.path("--work", self.work.as_deref());
        words.0
    }

    /// The same as a shell would take it.
    pub fn command(&self) -> String {
        in_shell(self.words())
    }
}

/// `words` as a shell would take them.
pub fn in_shell(words: impl IntoIterator<Item = String>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| quoted(&word)).collect();
    quoted.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

struct Words(Vec<String>);

impl Words {
    fn plain(&mut self, word: &str) {
        self.0.push(word.to_owned());
    }

    /// An option; a value that begins with a hyphen is tied to it, so that it is not taken for one
    /// itself.
    fn option(&mut self, name: &str, value: &str) {
        if value.starts_with('-') {
            self.0.push(format!("{name}={value}"));
        } else {
            self.0.extend([name.to_owned(), value.to_owned()]);
        }
    }

    fn unless<T: PartialEq + Display>(&mut self, name: &str, value: &T, usual: &T) {
        if value != usual {
            self.option(name, &value.to_string());
        }
    }

    fn given<T: Display>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.option(name, &value.to_string());
        }
    }

    fn path(&mut self, name: &str, path: Option<&Path>) {
        if let Some(path) = path {
            self.option(name, &path.to_string_lossy());
        }
    }

    fn each(&mut self, name: &str, values: &[String]) {
        for value in values {
            self.option(name, value);
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.option(name, &values.join(","));
        }
    }

    fn when(&mut self, name: &str, is_so: bool) {
        if is_so {
            self.plain(name);
        }
    }

    fn prompts(&mut self, plan: &PromptPlan) {
        let usual = PromptPlan::default();
        self.path("--pairs", plan.pairs.as_deref());
        self.each("--positive", &plan.positive);
        self.each("--negative", &plan.negative);
        self.each("--target", &plan.target);
        self.list("--subjects", &plan.subjects);
        self.each("--prefix", &plan.prefixes);
        self.given("--attribute", plan.attribute.as_ref());
        self.given("--start", plan.start.as_ref());
        self.unless("--walks", &plan.walks, &usual.walks);
        self.given("--sampling-steps", plan.sampling_steps.as_ref());
        self.given("--guidance", plan.guidance_scale.as_ref());
        let pair = |(a, b): (f64, f64)| format!("{a},{b}");
        self.unless("--betas", &pair(plan.betas), &pair(usual.betas));
        let minutes = (&plan.strip_every_min, &usual.strip_every_min);
        self.unless("--strips-every", minutes.0, minutes.1);
    }

    fn direction(&mut self, plan: &DirectionPlan) {
        let usual = DirectionPlan::default();
        self.prompts(&plan.prompts);
        if plan.is_difference {
            self.option("--method", "difference");
        }
        self.unless("--loss", &plan.loss, &usual.loss);
        self.when("--from-difference", plan.from_difference);
        self.unless("--scales", &plan.scales, &usual.scales);
        let pair = |(a, b): (f64, f64)| format!("{a},{b}");
        let (range, usual) = (pair(plan.scale_range), pair(usual.scale_range));
        self.unless("--scale-range", &range, &usual);
    }

    fn slider(&mut self, plan: &SliderPlan) {
        let usual = SliderPlan::default();
        self.prompts(&plan.prompts);
        self.unless("--layers", &plan.layers, &usual.layers);
        self.unless("--rank", &plan.rank, &usual.rank);
        self.unless("--alpha", &plan.alpha, &usual.alpha);
        self.given("--eta", plan.eta.as_ref());
        self.list("--preserve", &plan.preserved);
    }

    fn pictures(&mut self, plan: &PicturePlan) {
        let usual = PicturePlan::of("");
        self.path("--data", Some(&plan.data));
        self.path("--csv", plan.table.as_deref());
        self.given("--file-column", plan.file_column.as_ref());
        self.given("--caption-column", plan.caption_column.as_ref());
        self.path("--clip", plan.clip.as_deref());
        self.unless("--batch", &plan.batch, &usual.batch);
    }

    fn value(&mut self, plan: &ValuePlan) {
        self.pictures(&plan.pictures);
        self.each("--quantity", &plan.quantities);
        self.list("--columns", &plan.columns);
        self.given("--tokens", plan.tokens.as_ref());
    }

    fn adapter(&mut self, plan: &AdapterPlan) {
        let usual = AdapterPlan::of(PicturePlan::of(""));
        self.pictures(&plan.pictures);
        self.list("--columns", &plan.columns);
        self.unless("--architecture", &plan.architecture, &usual.architecture);
        self.unless("--tokens", &plan.tokens, &usual.tokens);
        self.unless("--latent-dim", &plan.latent_dim, &usual.latent_dim);
        self.unless("--hidden-dim", &plan.hidden_dim, &usual.hidden_dim);
        self.unless("--kl-weight", &plan.kl_weight, &usual.kl_weight);
        let weights = (&plan.reconstruction_weight, &usual.reconstruction_weight);
        self.unless("--reconstruction-weight", weights.0, weights.1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DirectionPlan, TrainingMethod, TrainingPlan};
    use super::in_shell;

    #[test]
    fn a_shell_would_read_the_same_words() {
        let words = ["--positive", "an old {subject}", "it's", ""].map(str::to_owned);
        assert_eq!(
            in_shell(words),
            r"--positive 'an old {subject}' 'it'\''s' ''"
        );
    }

    #[test]
    fn only_what_is_unusual_is_said() {
        let mut direction = DirectionPlan::default();
        direction.prompts.positive = vec!["an old {subject}".to_owned()];
        direction.prompts.subjects = vec!["cat".to_owned(), "dog".to_owned()];
        let mut plan = TrainingPlan::new("age", TrainingMethod::Direction(direction));
        plan.steps = 40;
        assert_eq!(
            plan.command(),
            "vernier train direction age --positive 'an old {subject}' --subjects cat,dog \
             --steps 40"
        );
    }
}
