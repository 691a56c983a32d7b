//! Contact sheets.

use std::sync::Arc;

use egui::{Rect, pos2, vec2};
use vernier::studio::gpu::{Sheet, Source, TextureKey, View, sheet, texture_use};
use vernier_engine::picture::Picture;

use crate::stage::{Stage, busy_picture};
use crate::twin::{Image, Mips, Placed, premultiplied};

fn flat(index: usize) -> Source {
    let color = [index % 251, index / 251 * 40, 255 - index % 251].map(|v| v as u8);
    let picture = Picture {
        width_px: 64,
        height_px: 48,
        rgb: color.repeat(64 * 48),
    };
    Source::picture(TextureKey(index as u64), Arc::new(picture))
}

#[test]
fn a_sheet_wider_than_any_texture_is_drawn_where_it_is_seen() {
    let Some(stage) = Stage::open() else { return };
    let mut cells: Vec<_> = (0..300).map(|index| Some(flat(index))).collect();
    cells[199] = None;
    let all = Sheet {
        columns: 100,
        cell_px: 290.0,
        gap_px: 10.0,
        cells,
    };
    assert_eq!(all.size_px().map(|side| side as u32), [29_990, 890]);
    assert!(all.size_px()[0] > stage.state.device.limits().max_texture_dimension_2d as f32);
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(320.0, 240.0));
    // The last columns, between the first two rows.
    let view = View {
        center: [29_700.0, 300.0],
        zoom: 0.5,
    };
    let painted = stage.paint([320, 240], 1.0, vec![sheet(rect, all.clone(), view)]);
    let mut seen = 0;
    for index in 0..300 {
        let cell = all.cell_rect(index, rect, 1.0, &view);
        let middle = cell.center();
        if !rect.contains(middle) {
            continue;
        }
        seen += 1;
        let [r, g, b] = [index % 251, index / 251 * 40, 255 - index % 251].map(|v| v as u8);
        let expected = if all.cells[index].is_some() {
            [r, g, b, 255]
        } else {
            [0; 4]
        };
        assert_eq!(
            painted.at(middle.x as u32, middle.y as u32),
            expected,
            "{index}"
        );
        assert_eq!(all.cell_under(middle, rect, 1.0, &view), Some(index));
        let gap = pos2(cell.right() + 2.0, middle.y);
        assert_eq!(all.cell_under(gap, rect, 1.0, &view), None);
    }
    assert!(seen >= 4, "{seen}");
    let held = texture_use(&stage.state);
    assert!(held.uploads <= 8, "{held:?}");
}

#[test]
fn small_cells_take_small_textures_and_look_the_same() {
    let Some(stage) = Stage::open() else { return };
    let picture = busy_picture(256, 192, 3);
    let source = Source::picture(TextureKey(1), Arc::clone(&picture));
    let one = Sheet {
        columns: 1,
        cell_px: 40.0,
        gap_px: 0.0,
        cells: vec![Some(source)],
    };
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(60.0, 50.0));
    let view = View {
        center: [20.0, 20.0],
        zoom: 1.0,
    };
    let painted = stage.paint([60, 50], 1.0, vec![sheet(rect, one, view)]);
    let whole = Mips::of(Image::of(&picture));
    let placed = Placed {
        origin: [10.0, 10.0],
        extent: [40.0, 30.0],
    };
    painted.assert_is(1.0, "cell", |x, y| {
        premultiplied(whole.seen(placed, x, y, 0.0), placed.inside(x, y))
    });
    // 64 × 48 and what is below it, not 256 × 192.
    let held = texture_use(&stage.state);
    assert!(held.bytes < 4 * 64 * 48 * 3 / 2, "{held:?}");
}

#[test]
fn an_empty_sheet_draws_nothing() {
    let Some(stage) = Stage::open() else { return };
    let none = Sheet {
        columns: 0,
        cell_px: 10.0,
        gap_px: 1.0,
        cells: Vec::new(),
    };
    assert_eq!(none.size_px().map(|side| side as u32), [0, 0]);
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(8.0, 8.0));
    let view = View {
        center: [0.0, 0.0],
        zoom: 1.0,
    };
    assert_eq!(none.cell_under(pos2(4.0, 4.0), rect, 1.0, &view), None);
    let painted = stage.paint([8, 8], 1.0, vec![sheet(rect, none, view)]);
    assert_eq!(painted.at(4, 4), [0; 4]);
}
