//! The colours of difference maps.

use egui::Color32;

/// Colours at equal distances, 8-bit sRGB. OKLab lightness rises evenly from 0.08 to 0.97 while
/// the hue turns from violet through red to yellow, with as much chroma as the screen has: what is
/// hotter is lighter, for colour-blind eyes and in grey too.
pub(super) const TABLE: [[u8; 3]; 17] = [
    [2, 2, 2],
    [11, 2, 29],
    [32, 0, 52],
    [55, 0, 68],
    [81, 0, 78],
    [108, 0, 84],
    [137, 0, 84],
    [167, 3, 79],
    [191, 33, 69],
    [211, 61, 57],
    [226, 89, 46],
    [236, 118, 43],
    [240, 148, 60],
    [241, 176, 93],
    [240, 203, 134],
    [240, 227, 182],
    [245, 245, 245],
];

/// The colour that a difference map gives to `x` in 0..1, for drawing its scale.
pub fn heat_color(x: f32) -> Color32 {
    let last = TABLE.len() - 1;
    let x = if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) };
    let place = x * last as f32;
    let cell = (place as usize).min(last - 1);
    let part = place - cell as f32;
    let [r, g, b] = [0, 1, 2].map(|c| {
        let (low, high) = (TABLE[cell][c] as f32, TABLE[cell + 1][c] as f32);
        (low + (high - low) * part).round() as u8
    });
    Color32::from_rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hotter_is_lighter() {
        let lightness = |x: f32| {
            let color = heat_color(x);
            let [r, g, b] = [color.r(), color.g(), color.b()].map(|byte| {
                let value = f64::from(byte) / 255.0;
                if value <= 0.04045 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            });
            let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
            let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
            let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s
        };
        for i in 0..32 {
            let (x, next) = (i as f32 / 32.0, (i + 1) as f32 / 32.0);
            let step = lightness(next) - lightness(x);
            assert!((0.01..0.06).contains(&step), "{x}: {step}");
        }
    }

    #[test]
    fn values_outside_take_the_ends() {
        assert_eq!(heat_color(-1.0), Color32::from_rgb(2, 2, 2));
        assert_eq!(heat_color(7.0), Color32::from_rgb(245, 245, 245));
        assert_eq!(heat_color(f32::NAN), heat_color(0.0));
    }
}
