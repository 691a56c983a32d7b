//! Which pixels belong to which subject.

use crate::draw;
use crate::scene::{SIZE, Scene};

/// Coverage from which a pixel counts as the subject's. Below a half because glass is drawn
/// translucent and is still the subject.
const THRESHOLD: u8 = 100;

impl Scene {
    /// The pixels that show a subject: `SIZE * SIZE` bytes, rows from the top, 255 where the
    /// subject is visible and 0 elsewhere. Shadows on the ground do not count. The right subject
    /// stands in front, so masks of one scene never overlap.
    pub fn mask(&self, subject: usize) -> Vec<u8> {
        let mut mask = vec![0; SIZE * SIZE];
        if subject >= self.subjects.len() {
            return mask;
        }
        let own = draw::coverage(self, subject);
        for (out, a) in mask.iter_mut().zip(&own) {
            *out = if *a >= THRESHOLD { 255 } else { 0 };
        }
        for front in subject + 1..self.subjects.len() {
            for (out, a) in mask.iter_mut().zip(draw::coverage(self, front)) {
                if a >= THRESHOLD {
                    *out = 0;
                }
            }
        }
        mask
    }
}
