use super::*;
use crate::measure::fake::{FakeMeter, fake_picture};
use crate::recipe::ModelRef;

pub(in crate::measure) fn base() -> Recipe {
    Recipe {
        width_px: 64,
        height_px: 64,
        steps: 2,
        guidance_scale: 3.0,
        ..Recipe::new(ModelRef::embedded())
    }
}

pub(in crate::measure) fn pair() -> MeasuredPrompt {
    MeasuredPrompt {
        text: "a man and a woman".to_owned(),
        subject: Some("man".to_owned()),
    }
}

/// The setting of a recipe's only control that is not calibrated zero.
pub(in crate::measure) fn raw_of(recipe: &Recipe, name: &str) -> f64 {
    let own = recipe.controls.iter().filter(|c| c.name == name);
    own.map(|c| c.value).sum()
}

fn plan(text: &str, takes_values: bool, settings: &[f64]) -> SweepPlan {
    let control: ControlUse = text.parse().unwrap();
    SweepPlan::of_control(
        &base(),
        &control,
        takes_values,
        "smile",
        settings,
        vec![pair()],
        vec![1, 2],
    )
    .unwrap()
}

#[test]
fn the_zero_setting_of_a_strength_is_the_picture_without_it() {
    let strengths = plan("smile~1", false, &[1.0, -1.0, 0.0, 1.0]);
    assert_eq!(strengths.settings, [-1.0, 0.0, 1.0]);
    assert_eq!(strengths.rows[0].recipes[1], strengths.rows[0].zero);
    assert_eq!(strengths.pictures(), 6);
    assert!(!strengths.about.asks_readings);
    // A value of 0 is a value.
    let values = plan("smile~1", true, &[0.0, 1.0]);
    assert_eq!(values.pictures(), 6);
    assert!(values.about.asks_readings);
    let zero = &values.rows[0].zero.controls[0];
    assert_eq!((zero.scale, zero.value), (ControlScale::Calibrated, 0.0));
    assert_eq!(zero.subject.as_deref(), Some("man"));
    assert_eq!(
        plan("smile@man=1", false, &[1.0]).about.control,
        "smile@man"
    );
}

#[test]
fn readings_of_target_neighbour_and_surroundings_are_told_apart() {
    let plan = plan("smile~1", false, &[0.0, 1.0]);
    let mut made = 0;
    let mut render = |recipe: &Recipe| {
        made += 1;
        let s = 0.3 * raw_of(recipe, "smile");
        Ok(fake_picture(
            [0.2 + s, 0.4 + s / 3.0],
            [0.5 - s / 2.0; 2],
            0.6,
        ))
    };
    let mut seen = Vec::new();
    let sweep = plan
        .run(&FakeMeter::default(), &mut render, &mut |row, at, _| {
            seen.push((row.seed, at));
            Ok(())
        })
        .unwrap();
    assert_eq!(made, 4);
    assert_eq!(&seen[..3], [(1, None), (1, Some(0)), (1, Some(1))]);
    assert_eq!(sweep.readings.len(), 6);
    let (zero, rest) = sweep.rows().next().unwrap();
    let moved = &rest[1];
    assert_eq!((zero.setting, moved.setting), (None, Some(1.0)));
    let close = |a: f64, b: f64| (a - b).abs() < 0.005;
    assert!(close(moved.target - zero.target, 0.3));
    assert!(close(
        moved.other_subject.unwrap() - zero.other_subject.unwrap(),
        0.1
    ));
    assert!(close(moved.others["age"], 0.35) && close(moved.others["brightness"], 0.6));
    assert!(!moved.others.contains_key("smile"));
    assert_eq!(moved.kind_kept, Some(true));
    assert!((zero.ssim - 1.0).abs() < 1e-9 && moved.ssim < 1.0);
    assert!(moved.ssim_inside.unwrap() < moved.ssim_outside.unwrap());
    assert_eq!(zero.distance, Some(0.0));
    assert!(moved.distance.unwrap() > 0.0);
}

#[test]
fn what_cannot_be_swept_is_refused_before_any_picture() {
    let control: ControlUse = "smile=1".parse().unwrap();
    let plan = |settings: &[f64], prompts: Vec<MeasuredPrompt>, seeds: Vec<u64>| {
        SweepPlan::of_control(&base(), &control, false, "beauty", settings, prompts, seeds)
    };
    for (broken, field) in [
        (plan(&[], vec![pair()], vec![1]), "values"),
        (plan(&[f64::NAN], vec![pair()], vec![1]), "values"),
        (plan(&[1.0], Vec::new(), vec![1]), "prompts"),
        (plan(&[1.0], vec![pair()], Vec::new()), "seeds"),
    ] {
        assert!(broken.unwrap_err().to_string().starts_with(field));
    }
    let unknown = plan(&[1.0], vec![pair()], vec![1]).unwrap();
    let mut render = |_: &Recipe| panic!("nothing is rendered");
    let error = unknown
        .run(&FakeMeter::default(), &mut render, &mut |_, _, _| Ok(()))
        .unwrap_err();
    assert!(
        error.to_string().contains("attribute \"beauty\""),
        "{error}"
    );
}
