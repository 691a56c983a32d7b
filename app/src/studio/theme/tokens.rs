//! Colours, distances and radii by what they are for.

use egui::{Color32, Theme};

/// Radius of corners in points.
pub(super) const RADIUS: u8 = 4;

/// Distances in points.
pub(crate) mod space {
    /// Between things that belong together.
    pub(crate) const XS: f32 = 4.0;
    /// Between neighbours.
    pub(crate) const S: f32 = 6.0;
    /// Between a label and its control.
    pub(crate) const M: f32 = 8.0;
    /// Around groups.
    pub(crate) const L: f32 = 12.0;
    /// Around panes.
    pub(crate) const XL: f32 = 16.0;
}

/// The colours of a theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tokens {
    /// Behind the picture.
    pub(crate) canvas: Color32,
    /// Panes.
    pub(crate) panel: Color32,
    /// Buttons, menus, windows.
    pub(crate) raised: Color32,
    /// Text fields and rails.
    pub(crate) well: Color32,
    /// Under the pointer.
    pub(crate) hover: Color32,
    /// Pressed.
    pub(crate) pressed: Color32,
    /// Borders and separators.
    pub(crate) line: Color32,
    /// Text.
    pub(crate) text: Color32,
    /// Text that may be overlooked.
    pub(crate) text_weak: Color32,
    /// What the eye shall find: brass.
    pub(crate) accent: Color32,
    /// The same, quieter.
    pub(crate) accent_dim: Color32,
    /// Text on the accent.
    pub(crate) on_accent: Color32,
    /// A slider's reliable band.
    pub(crate) band: Color32,
    /// Beyond what is reliable.
    pub(crate) caution: Color32,
    /// Errors.
    pub(crate) trouble: Color32,
    /// Where a picture may change: a colour that few pictures have.
    pub(crate) mask: Color32,
    /// Subjects' colours, in reading order.
    pub(crate) subjects: [Color32; 4],
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

impl Tokens {
    /// The colours of `theme`.
    pub(crate) fn of(theme: Theme) -> Self {
        match theme {
            Theme::Dark => Self {
                canvas: rgb(0x0012_1315),
                panel: rgb(0x001b_1c1f),
                raised: rgb(0x0026_282c),
                well: rgb(0x0013_1416),
                hover: rgb(0x0031_343a),
                pressed: rgb(0x003a_3d44),
                line: rgb(0x0035_383e),
                text: rgb(0x00e8_e5de),
                text_weak: rgb(0x00a3_a29d),
                accent: rgb(0x00d8_a648),
                accent_dim: rgb(0x008a_6d36),
                on_accent: rgb(0x001b_1407),
                band: rgb(0x0060_7a63),
                caution: rgb(0x00e0_8a3c),
                trouble: rgb(0x00ef_6a5f),
                mask: rgb(0x00ff_4f8b),
                subjects: [
                    rgb(0x006f_a8dc),
                    rgb(0x00d6_8fb4),
                    rgb(0x0092_c47d),
                    rgb(0x00b6_9ce0),
                ],
            },
            Theme::Light => Self {
                canvas: rgb(0x00d9_d6cf),
                panel: rgb(0x00f7_f5f0),
                raised: rgb(0x00ff_fefb),
                well: rgb(0x00ec_e9e2),
                hover: rgb(0x00ef_e9da),
                pressed: rgb(0x00e4_dbc4),
                line: rgb(0x00cf_cabf),
                text: rgb(0x0024_2320),
                text_weak: rgb(0x0065_625b),
                accent: rgb(0x0092_6510),
                accent_dim: rgb(0x00c2_a25f),
                on_accent: rgb(0x00ff_fdf6),
                band: rgb(0x00a3_c4a2),
                caution: rgb(0x009c_4d06),
                trouble: rgb(0x00b9_2f26),
                mask: rgb(0x00e0_1f68),
                subjects: [
                    rgb(0x001f_6fb0),
                    rgb(0x00a8_3e77),
                    rgb(0x003d_7f2a),
                    rgb(0x006b_46a8),
                ],
            },
        }
    }

    /// The colours of the theme that `ui` is drawn in.
    pub(crate) fn in_ui(ui: &egui::Ui) -> Self {
        Self::of(if ui.visuals().dark_mode {
            Theme::Dark
        } else {
            Theme::Light
        })
    }

    /// The colour of the subject that comes `at`-th in the prompt.
    pub(crate) fn subject(&self, at: usize) -> Color32 {
        self.subjects[at % self.subjects.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2).
    fn luminance(color: Color32) -> f64 {
        let linear = |byte: u8| {
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_everywhere() {
        for theme in [Theme::Dark, Theme::Light] {
            let t = Tokens::of(theme);
            for ground in [t.panel, t.raised, t.well, t.hover] {
                assert!(
                    contrast(t.text, ground) >= 7.0,
                    "{theme:?} text on {ground:?}"
                );
                for colour in [t.text_weak, t.trouble, t.caution, t.accent] {
                    let ratio = contrast(colour, ground);
                    assert!(
                        ratio >= 4.0,
                        "{theme:?} {colour:?} on {ground:?}: {ratio:.2}"
                    );
                }
            }
            assert!(
                contrast(t.on_accent, t.accent) >= 4.5,
                "{theme:?} on accent"
            );
        }
    }
}
