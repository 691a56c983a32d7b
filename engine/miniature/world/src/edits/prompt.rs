//! The words for a picture that is to be edited.

use super::choose::Chosen;
use crate::attributes::{Background, Discrete};
use crate::caption::phrases;
use crate::scene::Scene;

/// "a red cup next to a man in a blue shirt with black hair in a room".
pub(super) fn prompt(scene: &Scene, chosen: &[Chosen]) -> String {
    let subjects: Vec<String> = chosen
        .iter()
        .map(|one| phrases::with_article(&one.words))
        .collect();
    let (preposition, noun) = phrases::place(scene.background);
    let place = match scene.background {
        Background::Plain => {
            let tint = Discrete::PlainColor.classes()[scene.plain_color];
            format!("{preposition} plain {tint} {noun}")
        }
        _ => format!("{preposition} {noun}"),
    };
    format!("{} {place}", subjects.join(" next to "))
}
