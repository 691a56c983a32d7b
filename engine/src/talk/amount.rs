//! From "a bit more" to a number.

use super::clause::Amount;
use super::picked::Wish;

/// Part of the range that a bare "more" or "older" moves.
pub(super) const PLAIN_STEP: f64 = 0.2;
/// The same for "very" and its like before a word that compares.
const STRONG_STEP: f64 = 0.3;
/// Reading of a bare "old".
const PLAIN_LEVEL: f64 = 0.8;
/// Values that differ by less, as a part of the range, are the same.
pub(super) const SAME: f64 = 0.02;

/// The scale that a value stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Where nothing is done; for readings, what is read without the control, where it is known.
    pub(super) neutral: f64,
    /// What "without" asks for.
    pub(super) none: f64,
}

impl Span {
    fn width(self) -> f64 {
        self.high - self.low
    }

    fn end(self, sign: f64) -> f64 {
        if sign < 0.0 { self.low } else { self.high }
    }
}

/// Where a wish leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// To this value; whether the range ended before the wish did.
    To(f64, bool),
    /// It stands at the end already.
    AtEnd,
    /// It is there already.
    There,
    /// The number lies outside the scale.
    Outside(f64),
}

/// The value that is asked for, from `from` on `span`.
pub(super) fn target(
    wish: Wish,
    sign: f64,
    amount: Option<Amount>,
    from: f64,
    span: Span,
) -> Target {
    let end = span.end(sign);
    let whole = span.width();
    let relative = |amount: Option<Amount>| match amount {
        None => from + sign * PLAIN_STEP * whole,
        Some(Amount::Step(step)) => from + sign * step * whole,
        Some(Amount::Grade(_)) => from + sign * STRONG_STEP * whole,
        Some(Amount::By(by)) => from + sign * by,
        Some(Amount::Factor(factor)) => {
            // "twice as young" halves.
            let factor = if sign < 0.0 && factor > 1.0 {
                1.0 / factor
            } else {
                factor
            };
            span.low + factor * (from - span.low)
        }
        Some(Amount::To(to)) => to,
        Some(Amount::Halfway) => f64::midpoint(from, end),
        Some(Amount::End) => end,
        Some(Amount::Neutral) => span.neutral,
    };
    let wanted = match wish {
        Wish::Relative | Wish::Value => relative(amount),
        Wish::Much => {
            let level = match amount {
                Some(Amount::Grade(level)) => level,
                _ => PLAIN_LEVEL,
            };
            let part = if sign < 0.0 { 1.0 - level } else { level };
            let wanted = span.low + part * whole;
            if (from - wanted) * sign >= 0.0 {
                return Target::There;
            }
            wanted
        }
        Wish::Whole | Wish::On => end,
        Wish::Off => span.none,
    };
    let says_number = matches!(amount, Some(Amount::To(_))) && wish != Wish::Off;
    if says_number && !(span.low..=span.high).contains(&wanted) {
        return Target::Outside(wanted);
    }
    let to = wanted.clamp(span.low, span.high);
    if (to - from).abs() < SAME * whole {
        return if (wanted - to).abs() > 0.0 || (from - end).abs() < SAME * whole {
            Target::AtEnd
        } else {
            Target::There
        };
    }
    Target::To(to, (wanted - to).abs() > SAME * whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READING: Span = Span {
        low: 0.0,
        high: 1.0,
        neutral: 0.4,
        none: 0.0,
    };

    /// In thousandths.
    fn reached(wish: Wish, sign: f64, amount: Option<Amount>, from: f64) -> i64 {
        match target(wish, sign, amount, from, READING) {
            Target::To(to, _) => (to * 1000.0).round() as i64,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn amounts_are_parts_of_the_range() {
        let relative = |sign, amount, from| reached(Wish::Relative, sign, amount, from);
        assert_eq!(relative(1.0, None, 0.4), 600);
        assert_eq!(relative(-1.0, Some(Amount::Step(0.12)), 0.4), 280);
        assert_eq!(relative(1.0, Some(Amount::By(0.1)), 0.4), 500);
        assert_eq!(relative(1.0, Some(Amount::Factor(2.0)), 0.4), 800);
        assert_eq!(relative(-1.0, Some(Amount::Factor(2.0)), 0.4), 200);
        assert_eq!(relative(1.0, Some(Amount::Halfway), 0.4), 700);
        assert_eq!(relative(-1.0, Some(Amount::End), 0.4), 0);
        assert_eq!(reached(Wish::Value, 1.0, Some(Amount::Neutral), 0.7), 400);
        assert_eq!(reached(Wish::Much, 1.0, None, 0.4), 800);
        assert_eq!(
            reached(Wish::Much, -1.0, Some(Amount::Grade(0.95)), 0.4),
            50
        );
        assert_eq!(reached(Wish::Off, -1.0, None, 0.4), 0);
    }

    #[test]
    fn ends_and_what_is_there_are_told() {
        let of = |wish, sign, amount, from| target(wish, sign, amount, from, READING);
        assert_eq!(of(Wish::Relative, 1.0, None, 0.99), Target::AtEnd);
        assert_eq!(of(Wish::Relative, 1.0, None, 0.9), Target::To(1.0, true));
        assert_eq!(of(Wish::Much, 1.0, None, 0.9), Target::There);
        let to = |x| of(Wish::Value, 1.0, Some(Amount::To(x)), 0.5);
        assert_eq!(to(0.5), Target::There);
        assert_eq!(to(1.3), Target::Outside(1.3));
    }

    proptest! {
        #[test]
        fn no_wish_leaves_the_range_or_goes_the_wrong_way(
            from in 0.0_f64..1.0, step in 0.0_f64..2.0, up: bool,
        ) {
            let sign = if up { 1.0 } else { -1.0 };
            let amount = Some(Amount::Step(step));
            if let Target::To(to, _) = target(Wish::Relative, sign, amount, from, READING) {
                prop_assert!((0.0..=1.0).contains(&to) && (to - from) * sign > 0.0);
            }
        }
    }
}
