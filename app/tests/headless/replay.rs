//! `vernier replay` of the real binary.

use crate::place::{Place, assert_success, stderr, stdout};
use vernier_engine::checkpoint::tiny;
use vernier_engine::picture;

#[test]
fn pictures_are_verified_and_differences_named() {
    let place = Place::new();
    let made = place.render(&["--seed", "7", "--count", "2", "--out", "o"]);
    assert_success(&made);
    let (first, second) = ("o/0001-7.png", "o/0002-8.png");
    let same = place.run(&["replay", "--verify", first, second]);
    assert_success(&same);
    assert_eq!(stdout(&same).matches(": the same").count(), 2);

    // One pixel off.
    let path = place.path(second);
    let mut pixels = picture::read_pixels(&path).unwrap();
    let recipe = picture::read_recipe(&path).unwrap();
    let at = (20 * 64 + 10) * 3;
    pixels.rgb[at] = pixels.rgb[at].wrapping_add(100);
    picture::save(&path, &pixels, &recipe).unwrap();
    let off = place.run(&["replay", "--verify", first, second]);
    assert_eq!(off.status.code(), Some(1));
    let said = stdout(&off);
    assert!(said.contains("0001-7.png: the same"), "{said}");
    assert!(
        said.contains("pixels differ: max 1") && said.contains("at 10,20"),
        "{said}"
    );
    assert!(stderr(&off).contains("1 of 2 pictures did not come out the same"));
    // Without --verify it tells the same but does not fail, unless there is nothing to compare.
    assert_success(&place.run(&["replay", second]));
    let absent = place.run(&["replay", "absent.png", first]);
    assert_eq!(absent.status.code(), Some(1));
    let said = stdout(&absent);
    assert!(said.starts_with("absent.png: there is no such"), "{said}");
    assert!(said.contains("0001-7.png: the same"), "{said}");
    assert!(stderr(&absent).contains("1 of 2 pictures could not be replayed"));

    // The recipe says another size than the picture has.
    let mut other = recipe.clone();
    other.width_px = 128;
    picture::save(&path, &pixels, &other).unwrap();
    let size = place.run(&["replay", "--verify", second]);
    assert_eq!(size.status.code(), Some(1));
    assert!(stdout(&size).contains("size differs"), "{}", stdout(&size));

    // A dtype that this machine cannot compute in.
    let mut other = recipe;
    other.dtype = "f16".to_owned();
    picture::save(&path, &pixels, &other).unwrap();
    let dtype = place.run(&["replay", "--verify", "--device", "cpu", second]);
    assert_eq!(dtype.status.code(), Some(1));
    assert!(stdout(&dtype).contains("dtype: f16"), "{}", stdout(&dtype));
}

#[test]
fn a_changed_model_is_named() {
    let place = Place::new();
    assert_success(&place.render(&["--seed", "7", "--out", "o"]));
    tiny::write_model(&place.model(), 2).unwrap();
    let output = place.run(&["replay", "--verify", "o/0001-7.png"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(
        said.contains("model hash differs") && said.contains("pixels differ"),
        "{said}"
    );
    // Rendering it anyway is allowed, with a word of warning.
    let output = place.run(&["render", "--recipe", "o/0001-7.png", "--out", "p"]);
    assert_success(&output);
    assert!(stderr(&output).contains("the picture will differ"));
}
