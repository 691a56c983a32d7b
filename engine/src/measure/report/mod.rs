//! Reports that an artist can look at: contact sheets and curves.

mod canvas;
mod curves;
mod edits;
mod plot;
mod sweep;

pub use canvas::write_png as write_page;
pub use edits::EditPage;
pub use sweep::SweepReport;

/// Nearly black, for what is read first.
const INK: u32 = 0x0018_1b20;
/// For what is read second.
const MUTED: u32 = 0x006b_7280;
/// For lines that only guide the eye.
const GRID: u32 = 0x00e5_e7eb;
/// Colours of curves, told apart by people with any colour vision (Okabe and Ito's palette).
const CURVES: [u32; 6] = [
    0x0000_72b2,
    0x00d5_5e00,
    0x0000_9e73,
    0x00cc_79a7,
    0x00e6_9f00,
    0x0056_b4e9,
];
