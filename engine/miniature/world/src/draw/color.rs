//! Colours: few, saturated, far apart.

use tiny_skia::Color;

/// A colour, red, green, blue in `0..=1`, sRGB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rgb(pub(crate) [f32; 3]);

/// A colour from its hexadecimal form.
pub(crate) const fn hex(v: u32) -> Rgb {
    Rgb([
        ((v >> 16) & 255) as f32 / 255.0,
        ((v >> 8) & 255) as f32 / 255.0,
        (v & 255) as f32 / 255.0,
    ])
}

pub(crate) const WHITE: Rgb = hex(0x00ff_ffff);
pub(crate) const INK: Rgb = hex(0x001c_1a26);

impl Rgb {
    /// Towards another colour; `t` in `0..=1`.
    pub(crate) fn mix(self, other: Self, t: f32) -> Self {
        let m = |i: usize| lerp(self.0[i], other.0[i], t.clamp(0.0, 1.0));
        Self([m(0), m(1), m(2)])
    }

    /// Towards white.
    pub(crate) fn light(self, t: f32) -> Self {
        self.mix(WHITE, t)
    }

    /// Towards a deep version of itself; squaring keeps shade colourful where a grey veil would
    /// dull it.
    pub(crate) fn dark(self, t: f32) -> Self {
        self.mix(Self(self.0.map(|v| v * v * 0.3)), t)
    }

    /// Perceived brightness, `0..=1`.
    pub(crate) fn luma(self) -> f32 {
        0.3 * self.0[0] + 0.59 * self.0[1] + 0.11 * self.0[2]
    }

    pub(crate) fn skia(self, alpha: f32) -> Color {
        let c = |v: f32| v.clamp(0.0, 1.0);
        let [r, g, b] = self.0;
        Color::from_rgba(c(r), c(g), c(b), c(alpha)).unwrap_or(Color::BLACK)
    }
}

/// Linear interpolation.
pub(crate) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// How far `x` has come from `a` to `b`, with soft ends, `0..=1`.
pub(crate) fn smooth(x: f32, a: f32, b: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// How far `x` has come from `a` to `b`, `0..=1`: for attributes that must move visibly at every
/// step of a slider.
pub(crate) fn ramp(x: f32, a: f32, b: f32) -> f32 {
    ((x - a) / (b - a)).clamp(0.0, 1.0)
}

const PAINT: [Rgb; 8] = [
    hex(0x00dd_2a2a),
    hex(0x00f5_8a1f),
    hex(0x00fb_d22e),
    hex(0x0033_a64c),
    hex(0x002b_63d6),
    hex(0x0083_3fc0),
    hex(0x00f4_7fb8),
    hex(0x00f2_f2f0),
];
const WALL: [Rgb; 8] = [
    hex(0x00c9_4a48),
    hex(0x00ee_a25c),
    hex(0x00f3_dc77),
    hex(0x0079_bd7c),
    hex(0x0062_93dd),
    hex(0x009a_70c8),
    hex(0x00f0_a9cb),
    hex(0x00ee_ecea),
];
const HAIR: [Rgb; 6] = [
    hex(0x0022_1e26),
    hex(0x006e_3d1e),
    hex(0x00f0_c04a),
    hex(0x00d2_4a18),
    hex(0x008d_9099),
    hex(0x00ec_ecec),
];
const SKIN: [Rgb; 4] = [
    hex(0x00fa_d6b8),
    hex(0x00e2_aa78),
    hex(0x00ad_7146),
    hex(0x0074_4629),
];
const FUR: [Rgb; 5] = [
    hex(0x0036_3640),
    hex(0x00f4_f2ee),
    hex(0x0098_9ba8),
    hex(0x0085_4e2c),
    hex(0x00f2_8a26),
];
const HAT: [Rgb; 5] = [PAINT[0], PAINT[0], PAINT[2], PAINT[3], PAINT[4]];

fn at(table: &[Rgb], class: usize) -> Rgb {
    table[class.min(table.len() - 1)]
}

/// Clothes and paint.
pub(crate) fn paint(class: usize) -> Rgb {
    at(&PAINT, class)
}

/// A plain background.
pub(crate) fn wall(class: usize) -> Rgb {
    at(&WALL, class)
}

/// Hair.
pub(crate) fn hair(class: usize) -> Rgb {
    at(&HAIR, class)
}

/// Skin.
pub(crate) fn skin(class: usize) -> Rgb {
    at(&SKIN, class)
}

/// Fur.
pub(crate) fn fur(class: usize) -> Rgb {
    at(&FUR, class)
}

/// Hats; class 0 is no hat.
pub(crate) fn hat(class: usize) -> Rgb {
    at(&HAT, class)
}
