//! Pictures larger than a network should see at once.

use tch::Tensor;

use crate::Result;

/// Pixels of a tile's side that are kept.
const TILE_PX: i64 = 192;

/// Pixels around a tile that the network sees and that are cut away after it.
const CONTEXT_PX: i64 = 24;

/// `run` on `[1, 3, h, w]`, which it makes `factor` times larger, tile by tile; it hears how many
/// tiles are done, and of how many.
pub(super) fn run(
    picture: &Tensor,
    factor: i64,
    mut run: impl FnMut(&Tensor, (usize, usize)) -> Result<Tensor>,
) -> Result<Tensor> {
    let (_, _, height, width) = picture.size4()?;
    let starts = |side: i64| (0..side).step_by(TILE_PX as usize);
    let all = starts(height).count() * starts(width).count();
    let mut done = 0;
    let mut rows = Vec::new();
    for y in starts(height) {
        let mut row = Vec::new();
        for x in starts(width) {
            let (high, wide) = (Span::of(y, height), Span::of(x, width));
            let seen = picture.f_narrow(2, high.seen, high.length)?;
            let seen = seen.f_narrow(3, wide.seen, wide.length)?;
            let made = run(&seen, (done, all))?;
            let kept = made.f_narrow(2, (y - high.seen) * factor, high.kept * factor)?;
            row.push(kept.f_narrow(3, (x - wide.seen) * factor, wide.kept * factor)?);
            done += 1;
        }
        rows.push(Tensor::f_cat(&row, 3)?);
    }
    Ok(Tensor::f_cat(&rows, 2)?)
}

/// A tile along one side.
struct Span {
    /// Where what the network sees begins, and how long that is.
    seen: i64,
    length: i64,
    /// How much of it is kept.
    kept: i64,
}

impl Span {
    fn of(start: i64, side: i64) -> Self {
        let seen = (start - CONTEXT_PX).max(0);
        let kept = TILE_PX.min(side - start);
        Self {
            seen,
            length: (start + kept + CONTEXT_PX).min(side) - seen,
            kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::run;

    #[test]
    fn tiles_meet_without_a_seam() {
        let picture = Tensor::arange(3 * 200 * 450, (Kind::Float, tch::Device::Cpu));
        let picture = picture.reshape([1, 3, 200, 450]);
        let mut told = Vec::new();
        let enlarged = run(&picture, 2, |tile, progress| {
            told.push(progress);
            Ok(tile.upsample_nearest2d([tile.size()[2] * 2, tile.size()[3] * 2], None, None))
        });
        assert!(
            enlarged
                .unwrap()
                .equal(&picture.upsample_nearest2d([400, 900], None, None))
        );
        assert_eq!(told, [(0, 6), (1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]);
    }
}
