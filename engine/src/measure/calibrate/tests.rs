use super::super::sweep::tests::{base, pair};
use super::*;
use crate::measure::fake::{FakeMeter, fake_picture};
use crate::picture::Picture;

fn plan(kind: ControlKind) -> CalibrationPlan {
    let mut other = pair();
    other.text = "a woman and a man".to_owned();
    CalibrationPlan {
        base: base(),
        control: ControlUse::new("smile", None, 0.0),
        kind,
        attribute: "smile".to_owned(),
        prompts: vec![pair(), other],
        seeds: vec![1, 2],
        fresh_seeds: vec![11, 12],
        limits: SoundnessLimits {
            // Fake pictures of two seeds are nearly the same.
            distance: Some(4.0),
            ..SoundnessLimits::default()
        },
    }
}

/// Calibrates a control whose reading at a raw setting is `response`; the age moves by
/// `age` per raw unit. `None` means without the control.
fn calibrate(
    kind: ControlKind,
    response: impl Fn(Option<f64>) -> f64,
    age: f64,
) -> Result<(Calibrated, usize)> {
    let mut bench = FakeBench {
        response: &response,
        age,
        made: 0,
        told: 0,
    };
    let done = plan(kind).run(&FakeMeter::default(), &mut bench)?;
    assert_eq!(bench.told, 3);
    Ok((done, bench.made))
}

struct FakeBench<'a> {
    response: &'a dyn Fn(Option<f64>) -> f64,
    age: f64,
    made: usize,
    told: usize,
}

impl Workbench for FakeBench<'_> {
    fn render(&mut self, recipe: &Recipe) -> Result<Picture> {
        self.made += 1;
        let control = &recipe.controls[0];
        let raw = (control.scale == ControlScale::Raw).then_some(control.value);
        let shift = 0.01 * (recipe.seed % 10) as f64;
        let smile = (self.response)(raw) + shift;
        let man_left = recipe.prompt.starts_with("a man");
        let sides = if man_left { [smile, 0.3] } else { [0.3, smile] };
        let age = 0.4 + self.age * raw.unwrap_or(0.0);
        Ok(fake_picture(sides, [age; 2], 0.5))
    }

    fn tell(&mut self, _sentence: String) {
        self.told += 1;
    }
}

#[test]
fn a_bent_response_becomes_a_straight_scale() {
    let bent = |raw: Option<f64>| 0.1 + 0.7 / (1.0 + (-1.3 * raw.unwrap_or(0.0)).exp());
    let (done, made) = calibrate(ControlKind::Direction, bent, 0.0).unwrap();
    let c = &done.calibration;
    assert!(c.raw_low < -1.5 && c.raw_high > 1.5, "{c:?}");
    assert!(c.raw_low > -9.0 && c.raw_high < 9.0, "{c:?}");
    assert_eq!(c.neutral_raw, 0.0);
    assert!(c.r_squared > 0.99, "{}", c.r_squared);
    assert!(c.spearman > 0.9);
    let raw: Vec<(f64, f64)> = done
        .fine
        .statistics
        .response
        .iter()
        .map(|p| (p.raw, p.mean))
        .collect();
    assert!(crate::measure::statistics::r_squared(&raw) < c.r_squared);
    assert_eq!(done.check.about.scale, ControlScale::Calibrated);
    assert_eq!(done.check.settings, CHECKED_UNITS);
    assert!(
        done.check
            .seeds
            .iter()
            .all(|s| !done.fine.seeds.contains(s))
    );
    assert!(c.response.iter().any(|p| p.raw == 0.0));
    assert!(c.other_subject.unwrap().abs() < 0.02);
    assert!(made < 2 * plan(ControlKind::Direction).pictures(), "{made}");
}

#[test]
fn a_control_that_works_backwards_is_turned_around() {
    let falling = |raw: Option<f64>| 0.5 - 0.2 * raw.unwrap_or(0.0).clamp(-2.0, 2.0);
    let (done, _) = calibrate(ControlKind::Slider, falling, 0.0).unwrap();
    let c = &done.calibration;
    assert!(c.raw_low > 1.5 && c.raw_high < -1.5, "{c:?}");
    assert!(c.spearman > 0.9 && c.r_squared > 0.99);
}

#[test]
fn weak_and_strong_controls_find_their_own_scale() {
    for (slope, expected) in [(0.012, 20.0), (8.0, 0.045)] {
        let response =
            move |raw: Option<f64>| 0.5 + (slope * raw.unwrap_or(0.0)).clamp(-0.36, 0.36);
        let (done, _) = calibrate(ControlKind::Direction, response, 0.0).unwrap();
        let high = done.calibration.raw_high;
        assert!(
            high > 0.7 * expected && high < 2.5 * expected,
            "{slope}: {high}"
        );
    }
}

#[test]
fn side_effects_end_the_range() {
    let response = |raw: Option<f64>| 0.3 + 0.04 * raw.unwrap_or(0.0);
    let (done, _) = calibrate(ControlKind::Direction, response, 0.1).unwrap();
    let c = &done.calibration;
    assert!(c.raw_high > 2.4 && c.raw_high < 3.7, "{c:?}");
    assert_eq!(done.range.high.1, RangeEnd::SideEffect("age".to_owned()));
    assert!(c.side_effects["age"] > 0.4);
}

#[test]
fn values_are_calibrated_around_their_middle() {
    let response = |raw: Option<f64>| 0.05 + 0.7 * raw.unwrap_or(0.9).clamp(0.0, 1.0);
    let (done, _) = calibrate(ControlKind::Value, response, 0.0).unwrap();
    let c = &done.calibration;
    assert_eq!(c.neutral_raw, 0.5);
    assert!(
        (c.raw_low - 0.0).abs() < 0.11 && (c.raw_high - 1.0).abs() < 0.11,
        "{c:?}"
    );
    assert!(!done.check.settings.contains(&0.0) && c.r_squared > 0.99);
}

#[test]
fn a_control_that_does_nothing_is_refused() {
    let error = calibrate(ControlKind::Direction, |_| 0.4, 0.0).unwrap_err();
    let said = error.to_string();
    assert!(
        error.is_usage() && said.contains("does not move smile"),
        "{said}"
    );
}
