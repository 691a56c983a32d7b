//! How letters and lines look.

/// A colour, as 0xRRGGBB.
pub(in crate::measure::report) type Rgb = u32;

/// How a text stands to its x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::measure::report) enum Align {
    Left,
    Center,
    Right,
}

/// How letters look.
#[derive(Debug, Clone, Copy)]
pub(in crate::measure::report) struct Style {
    /// Height of the font in pixels.
    pub(in crate::measure::report) size: f32,
    pub(in crate::measure::report) color: Rgb,
    pub(in crate::measure::report) bold: bool,
}

impl Style {
    pub(in crate::measure::report) fn new(size: f32, color: Rgb) -> Self {
        Self {
            size,
            color,
            bold: false,
        }
    }

    pub(in crate::measure::report) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }
}

/// A line's looks.
#[derive(Debug, Clone, Copy)]
pub(in crate::measure::report) struct Pen {
    pub(in crate::measure::report) color: Rgb,
    /// 0..1.
    pub(in crate::measure::report) opacity: f32,
    /// In pixels.
    pub(in crate::measure::report) width: f32,
    pub(in crate::measure::report) dashed: bool,
}

impl Pen {
    pub(in crate::measure::report) fn new(color: Rgb, width: f32) -> Self {
        Self {
            color,
            opacity: 1.0,
            width,
            dashed: false,
        }
    }
}
