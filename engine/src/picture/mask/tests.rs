//! Laws of masks, held against masks of any size and content.

use proptest::prelude::*;

use super::*;

fn masks() -> impl Strategy<Value = Mask> {
    (1_u32..24, 1_u32..24).prop_flat_map(|(width_px, height_px)| {
        let pixels = (width_px * height_px) as usize;
        let value = prop_oneof![Just(0_u8), Just(255_u8), any::<u8>()];
        prop::collection::vec(value, pixels).prop_map(move |coverage| Mask {
            width_px,
            height_px,
            coverage,
        })
    })
}

fn places() -> impl Strategy<Value = [f64; 2]> {
    [-8.0..40.0, -8.0..40.0]
}

fn mean(mask: &Mask) -> f64 {
    mask.share() * 255.0
}

/// A mask with one covered rectangle, from whole pixel to whole pixel.
fn with_box(size_px: u32, low: u32, high: u32) -> Mask {
    let mut mask = Mask::new(size_px, size_px);
    mask.rectangle([f64::from(low); 2], [f64::from(high); 2], Ink::Add);
    mask
}

proptest! {
    #[test]
    fn inverting_twice_is_the_mask_itself(mask in masks()) {
        prop_assert_eq!(mask.inverted().inverted(), mask);
    }

    #[test]
    fn a_picture_of_a_mask_reads_back_exactly(mask in masks()) {
        prop_assert_eq!(Mask::from_picture(&mask.to_picture()), mask);
    }

    #[test]
    fn bounds_hold_all_coverage_and_no_empty_edge(mask in masks()) {
        let Some(held) = mask.bounds() else {
            prop_assert!(mask.is_empty());
            return Ok(());
        };
        let (right, bottom) = (held.x_px + held.width_px, held.y_px + held.height_px);
        let (mut columns, mut rows) = (vec![], vec![]);
        for y in 0..mask.height_px() {
            for x in 0..mask.width_px() {
                if mask.get(x, y) > 0 {
                    columns.push(x);
                    rows.push(y);
                }
            }
        }
        let ends = |v: &[u32]| (v.iter().min().copied(), v.iter().max().map(|m| m + 1));
        prop_assert_eq!(ends(&columns), (Some(held.x_px), Some(right)));
        prop_assert_eq!(ends(&rows), (Some(held.y_px), Some(bottom)));
    }

    #[test]
    fn grown_holds_the_mask_and_shrunk_lies_inside(mask in masks(), radius_px in 0_u32..9) {
        let (grown, shrunk) = (mask.grown(radius_px), mask.shrunk(radius_px));
        let further = mask.grown(radius_px + 1);
        for i in 0..mask.coverage.len() {
            prop_assert!(grown.coverage[i] >= mask.coverage[i]);
            prop_assert!(further.coverage[i] >= grown.coverage[i]);
            prop_assert!(shrunk.coverage[i] <= mask.coverage[i]);
        }
        prop_assert_eq!(mask.grown(0), mask);
    }

    #[test]
    fn growing_takes_the_largest_within_a_disc(mask in masks(), radius_px in 0_u32..6) {
        let grown = mask.grown(radius_px);
        let r = i64::from(radius_px);
        for y in 0..i64::from(mask.height_px()) {
            for x in 0..i64::from(mask.width_px()) {
                let near = (-r..=r).flat_map(|dy| (-r..=r).map(move |dx| (dx, dy)));
                let largest = near
                    .filter(|(dx, dy)| dx * dx + dy * dy <= r * r)
                    .filter(|(dx, dy)| x + dx >= 0 && y + dy >= 0)
                    .map(|(dx, dy)| mask.get((x + dx) as u32, (y + dy) as u32))
                    .max();
                prop_assert_eq!(Some(grown.get(x as u32, y as u32)), largest);
            }
        }
    }

    #[test]
    fn feathering_stays_within_what_there_was(mask in masks(), radius_px in 0.0_f64..12.0) {
        let soft = mask.feathered(radius_px);
        let (low, high) = (mask.coverage.iter().min(), mask.coverage.iter().max());
        prop_assert!(soft.coverage.iter().min() >= low);
        prop_assert!(soft.coverage.iter().max() <= high);
        prop_assert_eq!(mask.feathered(0.0), mask);
    }

    #[test]
    fn feathering_keeps_plateaus_and_the_mean(radius_px in 1.0_f64..6.0) {
        let mask = with_box(96, 32, 64);
        let soft = mask.feathered(radius_px);
        prop_assert!((mean(&soft) - mean(&mask)).abs() < 0.5, "{} {}", mean(&soft), mean(&mask));
        // Four sigmas from the edge nothing has changed.
        let away = (2.0 * radius_px).ceil() as u32;
        prop_assert_eq!(soft.get(32 + away, 48), 255);
        prop_assert_eq!(soft.get(31 - away, 48), 0);
        prop_assert!((1..255).contains(&soft.get(32, 48)));
    }

    #[test]
    fn an_outline_of_a_rectangle_is_the_rectangle(from in places(), to in places()) {
        let mut outlined = Mask::new(32, 32);
        outlined.polygon(&[from, [to[0], from[1]], to, [from[0], to[1]]], Ink::Add);
        let mut boxed = Mask::new(32, 32);
        boxed.rectangle(from, to, Ink::Add);
        for (a, b) in outlined.coverage.iter().zip(&boxed.coverage) {
            prop_assert!(a.abs_diff(*b) <= 1, "{a} {b}");
        }
    }

    #[test]
    fn a_triangle_covers_its_area(a in places(), b in places(), c in places()) {
        let mut mask = Mask::new(64, 64);
        let moved = [a, b, c].map(|p| [p[0] + 12.0, p[1] + 12.0]);
        mask.polygon(&moved, Ink::Add);
        let twice = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
        let covered = mask.share() * 64.0 * 64.0;
        // Each pixel is rounded to one part in 255.
        prop_assert!((covered - twice.abs() / 2.0).abs() < 2.0, "{covered} {}", twice.abs() / 2.0);
    }

    #[test]
    fn outlines_drawn_either_way_round_and_twice_are_the_same(
        corners in prop::collection::vec(places(), 3..8),
    ) {
        let drawn = |corners: &[[f64; 2]]| {
            let mut mask = Mask::new(32, 32);
            mask.polygon(corners, Ink::Add);
            mask
        };
        let mut backwards = corners.clone();
        backwards.reverse();
        let (one, other) = (drawn(&corners), drawn(&backwards));
        for (a, b) in one.coverage.iter().zip(&other.coverage) {
            prop_assert!(a.abs_diff(*b) <= 1);
        }
    }

    #[test]
    fn a_stroke_covers_its_path(from in places(), to in places(), radius_px in 1.0_f64..6.0) {
        let brush = Brush { radius_px, hardness: 1.0, ink: Ink::Add };
        let mut mask = Mask::new(32, 32);
        let touched = mask.stroke(brush, from, to);
        for step in 0..=50 {
            let at = [0, 1].map(|i| from[i] + (to[i] - from[i]) * f64::from(step) / 50.0);
            if at.iter().all(|c| (0.0..32.0).contains(c)) {
                prop_assert!(mask.get(at[0] as u32, at[1] as u32) > 180);
            }
        }
        if let Some(held) = mask.bounds() {
            prop_assert_eq!(touched.map(|t| t.union(held)), touched);
        }
        // Erasing the same stroke leaves nothing that was wholly covered.
        mask.stroke(Brush { ink: Ink::Erase, ..brush }, from, to);
        prop_assert!(mask.coverage.iter().all(|c| *c <= 128));
    }

    #[test]
    fn paint_does_not_build_up(from in places(), to in places(), hardness in 0.0_f64..1.0) {
        let brush = Brush { radius_px: 5.0, hardness, ink: Ink::Add };
        let mut once = Mask::new(32, 32);
        once.stroke(brush, from, to);
        let mut twice = once.clone();
        twice.stroke(brush, from, to);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn resizing_keeps_the_mean_and_plain_masks(
        mask in masks(), width_px in 1_u32..48, height_px in 1_u32..48, value in any::<u8>(),
    ) {
        let plain = Mask::filled(mask.width_px(), mask.height_px(), value);
        prop_assert_eq!(plain.resized(width_px, height_px), Mask::filled(width_px, height_px, value));
        prop_assert_eq!(mask.resized(mask.width_px(), mask.height_px()), mask.clone());
        let resized = mask.resized(width_px, height_px);
        prop_assert!(resized.coverage.iter().max() <= mask.coverage.iter().max());
        prop_assert!(resized.coverage.iter().min() >= mask.coverage.iter().min());
    }
}

#[test]
fn a_resized_box_is_the_box() {
    let mask = with_box(64, 16, 48);
    let half = mask.resized(32, 32);
    assert_eq!(half.get(16, 16), 255);
    assert_eq!(half.get(4, 4), 0);
    assert!((mean(&half) - mean(&mask)).abs() < 1.0);
    let back = half.resized(64, 64);
    assert!((mean(&back) - mean(&mask)).abs() < 1.0);
}

#[test]
fn shrinking_takes_nothing_at_the_pictures_own_edge() {
    assert_eq!(Mask::filled(9, 7, 255).shrunk(3), Mask::filled(9, 7, 255));
}

#[test]
fn a_place_outside_of_the_mask_is_not_covered() {
    let mask = Mask::filled(3, 2, 255);
    assert_eq!(
        [mask.get(2, 1), mask.get(3, 0), mask.get(0, 2)],
        [255, 0, 0]
    );
}
