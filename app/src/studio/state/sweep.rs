//! One or two things of a recipe at many settings, side by side.

use vernier_engine::project::{Bench, ControlKey};
use vernier_engine::recipe::{ControlScale, Recipe};

use super::{Cell, Cells, Made, SliderSpec};

/// What an axis moves.
#[derive(Debug, Clone, PartialEq)]
pub enum AxisField {
    /// The seed, in whole steps.
    Seed,
    /// Sampling steps.
    Steps,
    /// The guidance scale.
    Guidance,
    /// A control.
    Control(ControlKey, ControlScale),
    /// How far an adapter counts, by its name.
    Adapter(String),
}

impl AxisField {
    /// What people call it.
    pub fn title(&self) -> String {
        match self {
            Self::Seed => "seed".to_owned(),
            Self::Steps => "steps".to_owned(),
            Self::Guidance => "guidance".to_owned(),
            Self::Control(key, _) => key.to_string(),
            Self::Adapter(name) => format!("weight of {name}"),
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self, Self::Seed | Self::Steps)
    }

    fn set(&self, recipe: &mut Recipe, value: f64) {
        match self {
            Self::Seed => recipe.seed = value.max(0.0) as u64,
            Self::Steps => recipe.steps = (value as u32).clamp(1, 1000),
            Self::Guidance => recipe.guidance_scale = value,
            Self::Adapter(name) => {
                let mut all = recipe.adapters.iter_mut();
                if let Some(adapter) = all.find(|adapter| adapter.name == *name) {
                    // The text encoder's part goes along unless it has a weight of its own.
                    if adapter.text_weight.to_bits() == adapter.unet_weight.to_bits() {
                        adapter.text_weight = value;
                    }
                    adapter.unet_weight = value;
                }
            }
            Self::Control(key, scale) => {
                let mut bench = Bench::new(recipe.clone());
                // A value that was never calibrated means something at 0, too.
                let is_at_rest = value == 0.0 && *scale == ControlScale::Calibrated;
                bench.set_control(key, (!is_at_rest).then_some((*scale, value)));
                *recipe = bench.recipe;
            }
        }
    }
}

/// One axis: what it moves, from where to where, in how many settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it moves.
    pub field: AxisField,
    /// The first setting.
    pub from: f64,
    /// The last setting.
    pub to: f64,
    /// How many settings, both ends included.
    pub count: usize,
}

impl Axis {
    /// An axis over the field's usual range, around what `recipe` has.
    pub fn usual(field: AxisField, recipe: &Recipe) -> Self {
        let (from, to, count) = match &field {
            AxisField::Seed => (recipe.seed as f64, recipe.seed as f64 + 4.0, 5),
            AxisField::Steps => (5.0, 25.0, 5),
            AxisField::Guidance => (1.0, 7.0, 5),
            AxisField::Control(..) => (-1.0, 1.0, 5),
            AxisField::Adapter(_) => (0.0, 1.0, 5),
        };
        Self {
            field,
            from,
            to,
            count,
        }
    }

    /// The axis of a slider: its reliable band, or its range where nobody measured that.
    pub fn of_slider(spec: &SliderSpec) -> Self {
        let band = spec.band().unwrap_or_else(|| spec.range.clone());
        Self {
            field: AxisField::Control(spec.key.clone(), spec.scale),
            from: *band.start(),
            to: *band.end(),
            count: 5,
        }
    }

    /// The settings in order.
    pub fn values(&self) -> Vec<f64> {
        let last = self.count.max(1) - 1;
        let value = |at: usize| {
            let part = at as f64 / last.max(1) as f64;
            let value = self.from + part * (self.to - self.from);
            if self.field.is_whole() {
                value.round()
            } else {
                value
            }
        };
        (0..=last).map(value).collect()
    }
}

/// A sweep: what it is to show, and what was made of it.
#[derive(Debug, Default)]
pub struct Sweep {
    /// From left to right.
    pub across: Option<Axis>,
    /// From top to bottom.
    pub down: Option<Axis>,
    /// The cell that is looked at.
    pub selected: Option<usize>,
    cells: Cells,
    drawn: Option<(Axis, Option<Axis>)>,
}

impl Sweep {
    /// Cells row by row.
    pub fn cells(&self) -> &[Cell] {
        self.cells.all()
    }

    /// The axes that the cells lie on.
    pub fn drawn(&self) -> Option<(&Axis, Option<&Axis>)> {
        let (across, down) = self.drawn.as_ref()?;
        Some((across, down.as_ref()))
    }

    /// Lays out the cells for a base recipe and gives the recipes to be rendered.
    pub fn lay_out(&mut self, base: &Recipe) -> Vec<Recipe> {
        let Some(across) = self.across.clone() else {
            return Vec::new();
        };
        let rows = match &self.down {
            Some(down) => down.values().into_iter().map(Some).collect(),
            None => vec![None],
        };
        let mut recipes = Vec::new();
        for row in rows {
            for value in across.values() {
                let mut recipe = base.clone();
                across.field.set(&mut recipe, value);
                if let (Some(down), Some(value)) = (&self.down, row) {
                    down.field.set(&mut recipe, value);
                }
                recipes.push(recipe);
            }
        }
        self.cells = Cells::new(recipes.iter().cloned());
        self.selected = None;
        self.drawn = Some((across, self.down.clone()));
        recipes
    }

    /// A picture was made: it goes wherever its recipe is.
    pub fn take(&mut self, asked: &Recipe, made: &Made) {
        self.cells.take(asked, made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::testing;

    fn recipe() -> Recipe {
        testing::recipe("a man", 7)
    }

    #[test]
    fn two_axes_make_a_grid_with_the_base_at_rest() {
        let smile = AxisField::Control(
            ControlKey::new("smile", Some("man")),
            ControlScale::Calibrated,
        );
        let mut sweep = Sweep {
            across: Some(Axis::usual(smile, &recipe())),
            down: Some(Axis::usual(AxisField::Seed, &recipe())),
            ..Sweep::default()
        };
        let recipes = sweep.lay_out(&recipe());
        assert_eq!(recipes.len(), 25);
        assert_eq!(recipes[2], recipe(), "no control at rest");
        assert_eq!(recipes[0].controls[0].to_string(), "smile@man=-1");
        let seeds: Vec<u64> = recipes.iter().step_by(5).map(|r| r.seed).collect();
        assert_eq!(seeds, [7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_value_that_was_never_calibrated_is_set_at_0_too() {
        let light = AxisField::Control(ControlKey::new("light", None), ControlScale::Raw);
        let mut sweep = Sweep {
            across: Some(Axis {
                field: light,
                from: 0.0,
                to: 1.0,
                count: 2,
            }),
            ..Sweep::default()
        };
        let recipes = sweep.lay_out(&recipe());
        let controls: Vec<String> = recipes
            .iter()
            .map(|r| r.controls.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(controls, ["light~0", "light~1"]);
    }

    #[test]
    fn an_adapters_weight_is_an_axis_too() {
        let mut base = recipe();
        base.adapters = vec![
            "ink=0.8".parse().unwrap(),
            "night=1,text=0.5".parse().unwrap(),
        ];
        let axis = |name: &str| Axis {
            count: 2,
            ..Axis::usual(AxisField::Adapter(name.to_owned()), &base)
        };
        let mut sweep = Sweep {
            across: Some(axis("ink")),
            down: Some(axis("night")),
            ..Sweep::default()
        };
        let weights: Vec<String> = sweep
            .lay_out(&base)
            .iter()
            .map(|recipe| format!("{} {}", recipe.adapters[0], recipe.adapters[1]))
            .collect();
        assert_eq!(
            weights,
            [
                "ink=0 night=0,text=0.5",
                "ink=1 night=0,text=0.5",
                "ink=0 night=1,text=0.5",
                "ink=1 night=1,text=0.5",
            ]
        );
    }

    #[test]
    fn pictures_find_their_cells() {
        let mut sweep = Sweep {
            across: Some(Axis::usual(AxisField::Guidance, &recipe())),
            ..Sweep::default()
        };
        let recipes = sweep.lay_out(&recipe());
        sweep.take(&recipes[3], &testing::made(recipe()));
        let filled: Vec<bool> = sweep.cells().iter().map(|c| c.made.is_some()).collect();
        assert_eq!(filled, [false, false, false, true, false]);
    }
}
