//! Hard negatives: scenes that differ from a given one in exactly one thing.

use rand::{Rng, RngExt};

use crate::attributes::{Attribute, Continuous, Discrete, Value};
use crate::scene::Scene;

/// What differs from the original scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variation {
    /// One attribute of a subject or (`None`) of the picture.
    Attribute(Option<usize>, Attribute),
    /// The two subjects have exchanged a colour: the left one's attribute, the right one's. The
    /// two may differ where they share their classes (clothes and paint).
    SwapColors(Discrete, Discrete),
    /// The two subjects have exchanged their values of this attribute.
    SwapValues(Attribute),
    /// The two subjects have exchanged their places.
    SwapSides,
}

impl Scene {
    /// The same scene with its two subjects in each other's place. A single subject stays.
    pub fn swap_sides(&self) -> Self {
        let mut swapped = self.clone();
        swapped.subjects.reverse();
        swapped
    }

    /// The two subjects exchange a value: the left one's attribute takes the right one's other
    /// attribute's value and back. `None` when one of them does not have it, when the classes are
    /// not the same, or when nothing would change.
    pub fn exchange(&self, left: Attribute, right: Attribute) -> Option<Self> {
        if let (Attribute::Discrete(a), Attribute::Discrete(b)) = (left, right)
            && a.classes() != b.classes()
        {
            return None;
        }
        let a = self.value(Some(0), left)?;
        let b = self.value(Some(1), right)?;
        let mut swapped = self.clone();
        let done =
            swapped.set_value(Some(0), left, b) && swapped.set_value(Some(1), right, a) && a != b;
        done.then_some(swapped)
    }

    /// Every single change of this scene: each attribute that applies, changed once by chance
    /// (continuous ones by at least 0.35), exchanged colours and values, exchanged sides.
    pub fn variations(&self, rng: &mut impl Rng) -> Vec<(Variation, Self)> {
        let mut out = Vec::new();
        for (place, attribute) in self.applicable() {
            let value = match (attribute, self.value(place, attribute)) {
                (_, Some(Value::Continuous(v))) => Value::Continuous(far_from(v, rng)),
                (Attribute::Discrete(a), Some(Value::Discrete(c))) => {
                    let n = a.classes().len();
                    Value::Discrete((c + rng.random_range(1..n)) % n)
                }
                _ => continue,
            };
            let mut changed = self.clone();
            if changed.set_value(place, attribute, value) {
                out.push((Variation::Attribute(place, attribute), changed));
            }
        }
        if self.subjects.len() < 2 {
            return out;
        }
        for left in Discrete::ALL.into_iter().filter(|a| a.is_color()) {
            for right in Discrete::ALL.into_iter().filter(|a| a.is_color()) {
                if let Some(s) =
                    self.exchange(Attribute::Discrete(left), Attribute::Discrete(right))
                {
                    out.push((Variation::SwapColors(left, right), s));
                }
            }
        }
        let continuous = Continuous::ALL.map(Attribute::Continuous);
        let marks = [
            Discrete::Glasses,
            Discrete::Beard,
            Discrete::Hat,
            Discrete::Material,
        ];
        for attribute in continuous.into_iter().chain(marks.map(Attribute::Discrete)) {
            let apart = match (
                self.value(Some(0), attribute),
                self.value(Some(1), attribute),
            ) {
                (Some(Value::Continuous(a)), Some(Value::Continuous(b))) => (a - b).abs() > 0.25,
                (Some(a), Some(b)) => a != b,
                _ => false,
            };
            if apart && let Some(s) = self.exchange(attribute, attribute) {
                out.push((Variation::SwapValues(attribute), s));
            }
        }
        let swapped = self.swap_sides();
        if swapped != *self {
            out.push((Variation::SwapSides, swapped));
        }
        out
    }
}

/// A value at least 0.35 away, up or down by chance as the range allows.
fn far_from(value: f32, rng: &mut impl Rng) -> f32 {
    let below = (value - 0.35).max(0.0);
    let above = (0.65 - value).max(0.0);
    let u = rng.random::<f32>() * (below + above);
    if u < below {
        u
    } else {
        value + 0.35 + u - below
    }
}
