//! What a control does along its reliable range, in small pictures.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use vernier_engine::controls::ControlInfo;
use vernier_engine::measure::{MeasuredPrompt, SweepPlan, neutral_prompts};
use vernier_engine::recipe::{ControlScale, ControlUse, Recipe};

use super::pictures::reduced;
use super::rack::specs;
use super::{Axis, Cells, Made};

/// Longest side in pixels of a picture on a sheet: it is only looked at in small.
const SMALL_PX: u32 = 256;
/// The seed of all its pictures, which is the first that a calibration takes, too.
const SEED: u64 = 1;

/// How large a contact sheet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SheetSize {
    /// Settings, side by side.
    pub settings: usize,
    /// Prompts, one below the other.
    pub prompts: usize,
}

impl SheetSize {
    /// How many settings make sense.
    pub const SETTINGS: RangeInclusive<usize> = 5..=9;
    /// How many prompts make sense.
    pub const PROMPTS: RangeInclusive<usize> = 2..=4;
}

impl Default for SheetSize {
    fn default() -> Self {
        Self {
            settings: 7,
            prompts: 3,
        }
    }
}

/// One attribute of a control at settings along its range, on neutral prompts.
#[derive(Debug, Clone)]
pub struct ContactSheet {
    settings: Vec<f64>,
    scale: ControlScale,
    prompts: Vec<MeasuredPrompt>,
    cells: Cells,
}

impl ContactSheet {
    /// An empty sheet of the `attribute` of a control. `base` says everything but prompt and seed;
    /// `nouns` are those that the model's meter knows. `None` where the control has no such
    /// attribute.
    pub fn new(
        info: &ControlInfo,
        attribute: &str,
        base: &Recipe,
        nouns: &[String],
        size: SheetSize,
    ) -> Option<Self> {
        let name = control_name(info, attribute);
        let spec = specs(info, None)
            .into_iter()
            .find(|spec| spec.key.name == name)?;
        let axis = Axis {
            count: size.settings,
            ..Axis::of_slider(&spec)
        };
        // Numbers that people would write: they may end on the bench.
        let settings: Vec<f64> = axis
            .values()
            .into_iter()
            .map(|value| (value * 100.0).round() / 100.0)
            .collect();
        let known = |noun: &&String| nouns.is_empty() || nouns.contains(noun);
        let subjects: Vec<String> = info.subjects.iter().filter(known).cloned().collect();
        let subjects = if subjects.is_empty() {
            &info.subjects
        } else {
            &subjects
        };
        let control = ControlUse {
            scale: spec.scale,
            ..ControlUse::new(name, None, 0.0)
        };
        let plan = SweepPlan::of_control(
            base,
            &control,
            info.kind.takes_values(),
            attribute,
            &settings,
            neutral_prompts(subjects, nouns, size.prompts),
            vec![SEED],
        );
        let plan = plan.ok()?;
        Some(Self {
            settings: plan.settings,
            scale: spec.scale,
            prompts: plan.prompts,
            cells: Cells::new(plan.rows.into_iter().flat_map(|row| row.recipes)),
        })
    }

    /// The settings above the columns, ascending.
    pub fn settings(&self) -> &[f64] {
        &self.settings
    }

    /// What the settings mean.
    pub fn scale(&self) -> ControlScale {
        self.scale
    }

    /// The prompts beside the rows.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.prompts.iter().map(|prompt| prompt.text.as_str())
    }

    /// Row by row: all settings of the first prompt, then of the second, and so on.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }
}

/// Contact sheets by the control and attribute, as recipes name them.
#[derive(Debug, Default)]
pub struct ContactSheets {
    by_name: HashMap<String, ContactSheet>,
}

impl ContactSheets {
    /// The sheet of a control.
    pub fn get(&self, name: &str) -> Option<&ContactSheet> {
        self.by_name.get(name)
    }

    /// Begins a sheet, in the place of an older one.
    pub(super) fn begin(&mut self, name: String, sheet: ContactSheet) {
        self.by_name.insert(name, sheet);
    }

    /// A picture was made for the sheet that wants it.
    pub(super) fn take(&mut self, asked: &Recipe, made: &Made) {
        let mut wanting = self.by_name.values_mut().map(|sheet| &mut sheet.cells);
        if let Some(cells) = wanting.find(|cells| cells.wants(asked)) {
            let small = Made {
                picture: Arc::new(reduced(&made.picture, SMALL_PX)),
                ..made.clone()
            };
            cells.take(asked, &small);
        }
    }

    /// Forgets the sheets of controls for which `is_other` holds: they show what was.
    pub(super) fn forget(&mut self, is_other: impl Fn(&str) -> bool) {
        self.by_name.retain(|name, _| {
            let control = ControlUse::new(name.as_str(), None, 0.0);
            !is_other(control.file_and_attribute().0)
        });
    }
}

/// How recipes name the `attribute` of a control.
pub fn control_name(info: &ControlInfo, attribute: &str) -> String {
    if info.attributes.len() > 1 {
        format!("{}/{attribute}", info.name)
    } else {
        info.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use vernier_engine::controls::ControlKind;

    use super::*;
    use crate::studio::state::testing;

    fn sheet(info: &ControlInfo, attribute: &str) -> Option<ContactSheet> {
        let mut base = testing::recipe("whatever is on the bench", 99);
        (base.width_px, base.height_px) = (64, 64);
        let nouns = ["man", "woman", "cat"].map(str::to_owned);
        ContactSheet::new(info, attribute, &base, &nouns, SheetSize::default())
    }

    fn controls(sheet: &ContactSheet) -> Vec<String> {
        let recipes = sheet.cells().all().iter().map(|cell| &cell.recipe);
        recipes
            .map(|r| r.controls.iter().map(ToString::to_string).collect())
            .collect()
    }

    #[test]
    fn a_sheet_sweeps_the_range_on_neutral_prompts() {
        let info = testing::calibrated("age", &["man", "ghost", "woman"]);
        let sheet = sheet(&info, "age").unwrap();
        let settings = [-1.0, -0.67, -0.33, 0.0, 0.33, 0.67, 1.0];
        assert_eq!(sheet.settings(), settings);
        let prompts: Vec<&str> = sheet.prompts().collect();
        assert_eq!(prompts[..2], ["a man on a beach", "a woman in a room"]);
        assert_eq!((prompts.len(), sheet.cells().all().len()), (3, 21));
        assert!(prompts.iter().all(|prompt| !prompt.contains("ghost")));
        let controls = controls(&sheet);
        assert_eq!(controls[0], "age@man=-1");
        assert_eq!(controls[8], "age@woman=-0.67");
        for cell in sheet.cells().all() {
            assert_eq!(cell.recipe.seed, SEED);
            cell.recipe.validate().unwrap();
        }
    }

    #[test]
    fn an_adapter_has_a_sheet_for_each_attribute_and_values_begin_at_nothing() {
        let attributes = ["age", "brightness"].map(str::to_owned).to_vec();
        let info = ControlInfo::new("look", ControlKind::AttAdapter, attributes);
        let sheet = sheet(&info, "brightness").unwrap();
        assert_eq!(sheet.scale(), ControlScale::Raw);
        assert_eq!(controls(&sheet)[0], "look/brightness~0");
        assert_eq!(controls(&sheet)[6], "look/brightness~1");
        assert!(self::sheet(&info, "beauty").is_none());
    }

    #[test]
    fn sheets_keep_small_pictures_until_their_control_is_another() {
        let info = testing::calibrated("age", &["man"]);
        let sheet = sheet(&info, "age").unwrap();
        let asked = sheet.cells().all()[3].recipe.clone();
        let mut sheets = ContactSheets::default();
        sheets.begin("age".to_owned(), sheet);
        let mut made = testing::made(asked.clone());
        made.picture = Arc::new(testing::picture(1024, 512, 7));
        sheets.take(&asked, &made);
        let cell = &sheets.get("age").unwrap().cells().all()[3];
        let small = &cell.made.as_ref().unwrap().picture;
        assert_eq!((small.width_px, small.height_px), (256, 128));
        sheets.forget(|name| name == "smile");
        assert!(sheets.get("age").is_some());
        sheets.forget(|name| name == "age");
        assert!(sheets.get("age").is_none());
    }
}
