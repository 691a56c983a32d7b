//! The bench's controls and their switches.

use super::{Bench, ControlKey};
use crate::recipe::{ControlScale, ControlUse, Recipe};

impl Bench {
    /// A bench with `recipe` on it, and nothing aside.
    pub fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            muted: Vec::new(),
            muted_adapters: Vec::new(),
            muted_picture_prompts: Vec::new(),
            aside: None,
            locked: Vec::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// The control's setting, whether it is at work or muted.
    pub fn control(&self, key: &ControlKey) -> Option<&ControlUse> {
        let mut all = self.recipe.controls.iter().chain(&self.muted);
        all.find(|control| ControlKey::of(control) == *key)
    }

    /// Moves a control; at `None` it does nothing and leaves the recipe. A muted one stays muted.
    pub fn set_control(&mut self, key: &ControlKey, setting: Option<(ControlScale, f64)>) {
        let is_muted = self.is_muted(key);
        let list = if is_muted {
            &mut self.muted
        } else {
            &mut self.recipe.controls
        };
        let at = list.iter().position(|c| ControlKey::of(c) == *key);
        match (at, setting) {
            (Some(at), None) => {
                list.remove(at);
            }
            (Some(at), Some((scale, value))) => {
                let control = &mut list[at];
                (control.scale, control.value, control.resolved) = (scale, value, None);
            }
            (None, Some((scale, value))) => {
                let mut control = ControlUse::new(&key.name, key.subject.as_deref(), value);
                control.scale = scale;
                list.push(control);
            }
            (None, None) => {}
        }
    }

    /// Whether the control is switched off for now.
    pub fn is_muted(&self, key: &ControlKey) -> bool {
        self.muted.iter().any(|c| ControlKey::of(c) == *key)
    }

    /// Switches a control off, or on again; one without a setting has nothing to switch.
    pub fn toggle_mute(&mut self, key: &ControlKey) {
        let (from, to) = if self.is_muted(key) {
            (&mut self.muted, &mut self.recipe.controls)
        } else {
            (&mut self.recipe.controls, &mut self.muted)
        };
        if let Some(at) = from.iter().position(|c| ControlKey::of(c) == *key) {
            to.push(from.remove(at));
        }
    }

    /// Whether no tool may move the control.
    pub fn is_locked(&self, key: &ControlKey) -> bool {
        self.locked.contains(&key.to_string())
    }

    /// Locks a control, or frees it.
    pub fn toggle_lock(&mut self, key: &ControlKey) {
        let name = key.to_string();
        match self.locked.iter().position(|locked| *locked == name) {
            Some(at) => {
                self.locked.remove(at);
            }
            None => self.locked.push(name),
        }
    }

    /// Takes a recipe onto the bench; locked controls keep their settings.
    pub fn adopt(&mut self, recipe: &Recipe) {
        let is_locked = |c: &&ControlUse| self.is_locked(&ControlKey::of(c));
        let kept: Vec<ControlUse> = self
            .recipe
            .controls
            .iter()
            .filter(is_locked)
            .cloned()
            .collect();
        let mut next = recipe.clone();
        for control in kept {
            let key = ControlKey::of(&control);
            next.controls.retain(|c| ControlKey::of(c) != key);
            next.controls.push(control);
        }
        self.recipe = next;
        self.muted.clear();
        self.muted_adapters.clear();
        self.muted_picture_prompts.clear();
        self.aside = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::sample;

    fn bench() -> Bench {
        Bench::new(sample())
    }

    fn smile() -> ControlKey {
        ControlKey::new("smile", Some("man"))
    }

    #[test]
    fn a_slider_at_rest_leaves_the_recipe_as_it_was() {
        let before = bench();
        let mut bench = before.clone();
        bench.set_control(&smile(), Some((ControlScale::Calibrated, 0.5)));
        assert_eq!(bench.recipe.controls[0].to_string(), "smile@man=0.5");
        bench.set_control(&smile(), None);
        assert_eq!(bench, before);
    }

    #[test]
    fn muting_keeps_the_setting_and_takes_it_out_of_the_recipe() {
        let mut bench = bench();
        bench.set_control(&smile(), Some((ControlScale::Calibrated, 0.5)));
        bench.toggle_mute(&smile());
        assert!(bench.recipe.controls.is_empty());
        bench.set_control(&smile(), Some((ControlScale::Calibrated, 0.7)));
        assert!(
            bench.recipe.controls.is_empty(),
            "a muted slider may be moved"
        );
        bench.toggle_mute(&smile());
        assert_eq!(bench.recipe.controls[0].to_string(), "smile@man=0.7");
    }

    #[test]
    fn a_locked_control_stays_when_another_recipe_is_adopted() {
        let mut bench = bench();
        let plain = bench.recipe.clone();
        let age = ControlKey::new("age", Some("man"));
        bench.set_control(&smile(), Some((ControlScale::Calibrated, 0.5)));
        bench.set_control(&age, Some((ControlScale::Calibrated, 0.2)));
        bench.toggle_lock(&smile());
        bench.adopt(&plain);
        let names: Vec<String> = bench
            .recipe
            .controls
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["smile@man=0.5"]);
    }
}
