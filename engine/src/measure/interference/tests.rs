use super::super::sweep::tests::{base, raw_of};
use super::*;
use crate::controls::ControlKind;
use crate::measure::fake::{FakeMeter, fake_picture};
use crate::picture::Picture;

fn plan(controls: &[&str]) -> InterferencePlan {
    let stacked = |text: &&str| {
        let control: ControlUse = text.parse().unwrap();
        let attribute = control.name.clone();
        Stacked {
            info: ControlInfo::new(&attribute, ControlKind::Direction, vec![attribute.clone()]),
            attribute,
            control,
        }
    };
    InterferencePlan {
        base: base(),
        controls: controls.iter().map(stacked).collect(),
        prompts: vec!["a man and a woman".to_owned()],
        seeds: vec![1, 2],
    }
}

/// The age pulls the smile down by `pull`.
fn world(pull: f64) -> impl FnMut(&Recipe) -> Result<Picture> {
    move |recipe: &Recipe| {
        let (smile, age) = (raw_of(recipe, "smile"), raw_of(recipe, "age"));
        let shift = 0.01 * recipe.seed as f64;
        let read = 0.4 + 0.2 * smile - pull * age + shift;
        Ok(fake_picture([read, 0.3], [0.5 + 0.2 * age, 0.3], 0.5))
    }
}

fn measured(controls: &[&str], pull: f64) -> Interference {
    plan(controls)
        .run(&FakeMeter::default(), &mut world(pull))
        .unwrap()
}

#[test]
fn controls_that_leave_each_other_alone_do_not_fight() {
    let found = measured(&["smile@man~1", "age@man~1"], 0.0);
    assert!(!found.fight && found.joint.is_none(), "{found:?}");
    for (i, c) in found.controls.iter().enumerate() {
        assert!((c.gain.unwrap() - 1.0).abs() < 0.05);
        assert!((c.moved_by[i] - 0.2).abs() < 0.01 && c.moved_by[1 - i].abs() < 0.01);
    }
}

#[test]
fn a_fight_is_seen_and_settled() {
    let found = measured(&["smile@man~1", "age@man~1"], 0.15);
    assert!(found.fight);
    assert!((found.controls[0].moved_by[1] + 0.15).abs() < 0.01);
    let joint = found.joint.unwrap();
    assert!(joint.error <= 0.02, "{joint:?}");
    let smile: ControlUse = joint.controls[0].parse().unwrap();
    assert!((smile.value - 1.75).abs() < 0.15, "{smile}");
    let three = measured(&["smile@man~1", "age@man~1", "smile@woman~0.1"], 0.15);
    assert_eq!(three.controls[0].moved_by.len(), 3);
}

#[test]
fn asked_readings_are_searched_together() {
    let found = measured(&["smile@man:=0.7", "age@man:=0.3"], 0.1);
    let joint = found.joint.unwrap();
    assert!(joint.error <= 0.02, "{joint:?}");
    assert!((joint.readings[0] - 0.7).abs() < 0.03 && (joint.readings[1] - 0.3).abs() < 0.03);
    assert!(joint.controls[1].starts_with("age@man~-"), "{joint:?}");
}

#[test]
fn one_control_alone_is_refused_and_so_is_a_missing_subject() {
    let refusal = |controls: &[&str]| {
        let mut render = |_: &Recipe| panic!("nothing is rendered");
        let outcome = plan(controls).run(&FakeMeter::default(), &mut render);
        outcome.unwrap_err().to_string()
    };
    assert!(refusal(&["smile@man~1"]).contains("two controls or more"));
    assert!(refusal(&["smile@man~1", "age@dog~1"]).contains("\"dog\" is not in the prompt"));
}
