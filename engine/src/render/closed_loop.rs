//! Controls that are to reach a measured value: the meter reads, the control moves, until the
//! reading is what was asked (after Talk-to-Edit, arXiv 2109.04425).

use super::phases::subject_place;
use super::shelf::Resolved;
use super::{OnStep, Rendered, Renderer};
use crate::controls::ControlInfo;
use crate::measure::{Place, picture_tensor};
use crate::picture::Picture;
use crate::recipe::{ControlScale, Recipe};
use crate::{EngineError, Result};

/// A reading this close to the asked one is good.
const CLOSE: f64 = 0.02;
/// Renders at most.
const MOST_TRIES: usize = 10;
/// How far past a calibrated control's reliable range the search may go, as a part of the range.
const MARGIN: f64 = 0.25;
/// Strengths searched where a control was never calibrated.
const UNKNOWN_STRENGTHS: [f64; 2] = [-3.0, 3.0];

/// Whether `recipe` has a control whose setting is still to be found.
pub(super) fn is_open(recipe: &Recipe) -> bool {
    let mut controls = recipe.controls.iter();
    controls.any(|c| c.scale == ControlScale::Measured && c.resolved.is_none())
}

/// One control on its way to its target.
struct Search {
    /// Its place in the recipe.
    index: usize,
    attribute: String,
    place: Option<Place>,
    target: f64,
    /// Raw settings to search between.
    range: [f64; 2],
    /// Whether raw settings rise with readings.
    rising: bool,
    next: f64,
    /// `(raw, reading)` so far.
    tried: Vec<(f64, f64)>,
}

/// Renders with every open control moved until the meter reads its target, or as close as it gets,
/// which is told.
pub(super) fn close(
    renderer: &mut Renderer,
    recipe: &Recipe,
    on_step: &mut OnStep<'_>,
) -> Result<Rendered> {
    let mut searches = searches(renderer, recipe)?;
    let mut best: Option<(f64, Rendered)> = None;
    for _ in 0..MOST_TRIES {
        let mut trial = recipe.clone();
        for search in &searches {
            trial.controls[search.index].resolved = Some(search.next);
        }
        let mut rendered = renderer.render_resolved(&trial, on_step)?;
        let mut worst = 0.0_f64;
        for search in &mut searches {
            let reading = read(renderer, &rendered.picture, search)?;
            worst = worst.max((reading - search.target).abs());
            search.tried.push((search.next, reading));
        }
        // Found settings are kept even where they are 0 and so did nothing.
        for search in &searches {
            rendered.recipe.controls[search.index].resolved = Some(search.next);
        }
        if best.as_ref().is_none_or(|(error, _)| worst < *error) {
            best = Some((worst, rendered));
        }
        if worst <= CLOSE {
            break;
        }
        let mut moved = false;
        for search in &mut searches {
            if let Some(next) = search.following() {
                search.next = next;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let (error, mut rendered) =
        best.ok_or_else(|| EngineError::request("control", "nothing was rendered"))?;
    if error > CLOSE {
        for search in &searches {
            let control = &rendered.recipe.controls[search.index];
            let found = control.resolved.unwrap_or_default();
            let mut tried = search.tried.iter();
            let reading = tried.find(|(raw, _)| raw.to_bits() == found.to_bits());
            let reading = reading.map_or(f64::NAN, |(_, reading)| *reading);
            if (reading - search.target).abs() > CLOSE {
                rendered.notes.push(format!(
                    "control {control}: the closest that the meter reads is {reading:.2}"
                ));
            }
        }
    }
    Ok(rendered)
}

fn searches(renderer: &mut Renderer, recipe: &Recipe) -> Result<Vec<Search>> {
    let controls = renderer.resolve(recipe, &mut Vec::new())?;
    let guided = recipe.guidance_scale > 1.0;
    let _guard = tch::no_grad_guard();
    renderer.apply_adapters(&mut recipe.clone(), &mut Vec::new())?;
    renderer.encode(recipe, guided)?;
    let mut all = Vec::new();
    for (index, control) in controls.iter().enumerate() {
        let wanted = &control.wanted;
        if wanted.scale != ControlScale::Measured || wanted.resolved.is_some() {
            continue;
        }
        let encoded = renderer.encoded()?.positive.shallow_clone();
        let place = subject_place(control, &encoded, renderer.meter()?)?;
        let attribute = control.attribute.clone().unwrap_or_default();
        all.push(Search::new(index, control, attribute, place));
    }
    Ok(all)
}

fn read(renderer: &mut Renderer, picture: &Picture, search: &Search) -> Result<f64> {
    let pixels = picture_tensor(&[picture])?.f_to_device(renderer.device())?;
    let meter = renderer.meter()?;
    let readings = meter.read(&pixels, &search.attribute, search.place)?;
    Ok(readings.first().copied().unwrap_or_default())
}

impl Search {
    fn new(index: usize, control: &Resolved, attribute: String, place: Option<Place>) -> Self {
        let target = control.wanted.value;
        let values = control.loaded.control.value_range(&attribute);
        let (range, rising, next) = scope(&control.loaded.info, &attribute, values, target);
        Self {
            index,
            attribute,
            place,
            target,
            range,
            rising,
            next,
            tried: Vec::new(),
        }
    }

    /// The next setting to try; `None` where nothing better is in sight.
    fn following(&self) -> Option<f64> {
        let [low, high] = self.range;
        let &(raw, reading) = self.tried.last()?;
        if (reading - self.target).abs() <= CLOSE {
            return Some(raw);
        }
        let below = self.nearest(|r| r <= self.target, |a, b| a > b);
        let above = self.nearest(|r| r >= self.target, |a, b| a < b);
        let next = if let (Some((x0, y0)), Some((x1, y1))) = (below, above) {
            // Between the two; never so near to one that nothing is learnt.
            let part = (self.target - y0) / (y1 - y0).max(1e-9);
            x0 + part.clamp(0.15, 0.85) * (x1 - x0)
        } else {
            let upwards = (reading < self.target) == self.rising;
            let end = if upwards { high } else { low };
            // By the slope seen so far, or half of what is left.
            let slope = self.slope().unwrap_or(f64::INFINITY);
            let step = 1.3 * (self.target - reading) / slope;
            let half = (end - raw) / 2.0;
            let step = if step.is_finite() && step * half > 0.0 {
                step
            } else {
                half
            };
            let near_end = (end - raw).abs() < 0.1 * (high - low);
            if near_end { end } else { raw + step }
        };
        let next = next.clamp(low, high);
        let known = |&(tried, _): &(f64, f64)| (tried - next).abs() < 1e-6 * (high - low);
        (!self.tried.iter().any(known)).then_some(next)
    }

    fn nearest(
        &self,
        side: impl Fn(f64) -> bool,
        nearer: impl Fn(f64, f64) -> bool,
    ) -> Option<(f64, f64)> {
        let on_side = self.tried.iter().copied().filter(|&(_, r)| side(r));
        on_side.reduce(|a, b| if nearer(b.1, a.1) { b } else { a })
    }

    fn slope(&self) -> Option<f64> {
        let [.., (x0, y0), (x1, y1)] = self.tried[..] else {
            return None;
        };
        let slope = (y1 - y0) / (x1 - x0);
        (slope.is_finite() && slope != 0.0).then_some(slope)
    }
}

/// Where to search, whether raw settings rise with readings, and where to begin.
fn scope(
    info: &ControlInfo,
    attribute: &str,
    values: Option<[f64; 2]>,
    target: f64,
) -> ([f64; 2], bool, f64) {
    let Some(calibration) = info.calibrations.get(attribute) else {
        return match values {
            Some([low, high]) => ([low, high], true, low + target * (high - low)),
            None => (UNKNOWN_STRENGTHS, true, 0.0),
        };
    };
    let (low, high) = (calibration.raw_low, calibration.raw_high);
    let rising = high >= low;
    let (low, high) = (low.min(high), low.max(high));
    let margin = MARGIN * (high - low);
    let by_distance = |raw: f64| {
        let read = calibration.expected(raw).unwrap_or(target);
        (read - target).abs()
    };
    let steps = 64;
    let settings = (0..=steps).map(|i| low + (high - low) * f64::from(i) / f64::from(steps));
    let next = settings
        .min_by(|a, b| by_distance(*a).total_cmp(&by_distance(*b)))
        .unwrap_or(calibration.neutral_raw);
    ([low - margin, high + margin], rising, next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CLOSE, MOST_TRIES, Search};

    fn found(response: impl Fn(f64) -> f64, target: f64, rising: bool, next: f64) -> (f64, usize) {
        let mut search = Search {
            index: 0,
            attribute: "smile".to_owned(),
            place: None,
            target,
            range: [-3.0, 3.0],
            rising,
            next,
            tried: Vec::new(),
        };
        let mut closest = f64::INFINITY;
        for tries in 1..=MOST_TRIES {
            let reading = response(search.next);
            closest = closest.min((reading - target).abs());
            search.tried.push((search.next, reading));
            if closest <= CLOSE {
                return (closest, tries);
            }
            match search.following() {
                Some(next) => search.next = next,
                None => return (closest, tries),
            }
        }
        (closest, MOST_TRIES)
    }

    #[test]
    fn a_target_out_of_reach_ends_at_the_end_of_the_range() {
        let (closest, tries) = found(|raw| 0.5 + 0.1 * raw, 0.95, true, 0.0);
        assert!(
            (closest - 0.15).abs() < 1e-9 && tries < MOST_TRIES,
            "{closest} {tries}"
        );
    }

    proptest! {
        #[test]
        fn any_monotone_response_is_found(
            slope in 0.3_f64..4.0,
            shift in -1.5_f64..1.5,
            target in 0.15_f64..0.85,
            start in -1.0_f64..1.0,
            falling: bool,
        ) {
            let sign = if falling { -1.0 } else { 1.0 };
            let response = |raw: f64| 1.0 / (1.0 + (-(sign * slope * raw - shift)).exp());
            let ends = [response(-3.0), response(3.0)];
            let reachable = ends[0].min(ends[1]) <= target && target <= ends[0].max(ends[1]);
            prop_assume!(reachable);
            let (closest, tries) = found(response, target, !falling, start);
            prop_assert!(closest <= CLOSE, "{closest} after {tries}");
        }
    }
}
