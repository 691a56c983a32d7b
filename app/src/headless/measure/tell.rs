//! What a person reads of a measurement, on stderr.

use vernier_engine::measure::{Calibrated, Interference, Sweep};

/// Width of the column with the names.
const NAMES: usize = 28;

/// A sweep's figures.
pub(super) fn sweep(sweep: &Sweep) {
    for (what, how_much) in sweep.statistics.lines() {
        line(&what, &how_much);
    }
}

/// The range of a calibrated control, and how well its scale holds.
pub(super) fn calibration(calibrated: &Calibrated) {
    let c = &calibrated.calibration;
    let range = &calibrated.range;
    for (what, (raw, why)) in [
        ("Lowest raw setting", &range.low),
        ("Highest raw setting", &range.high),
    ] {
        line(what, &format!("{raw:+.3}: {why}"));
    }
    let end = |unit: f64| c.expected(c.raw_of_unit(unit));
    if let (Some(low), Some(rest), Some(high)) = (end(-1.0), end(0.0), end(1.0)) {
        line(
            "Reading at -1, 0, 1",
            &format!("{low:.3}, {rest:.3}, {high:.3}"),
        );
    }
    eprintln!("on fresh seeds, in calibrated units:");
    for (what, how_much) in calibrated.check.statistics.lines() {
        line(&what, &how_much);
    }
}

/// What controls do to one another, and what would be better.
pub(super) fn interference(found: &Interference) {
    for (i, c) in found.controls.iter().enumerate() {
        eprintln!("{}", c.control);
        line("  at rest", &format!("{:.3}", c.at_rest));
        line("  alone", &format!("{:+.3}", c.moved_by[i]));
        let gain = c
            .gain
            .map_or_else(String::new, |gain| format!(", {:.0} %", 100.0 * gain));
        line("  among the others", &format!("{:+.3}{gain}", c.in_company));
        for (other, moved) in found.controls.iter().zip(&c.moved_by) {
            if other.control != c.control {
                line(
                    &format!("  moved by {}", other.control),
                    &format!("{moved:+.3}"),
                );
            }
        }
        line(
            "  reads, and should",
            &format!("{:.3}, {:.3}", c.together, c.wanted),
        );
    }
    if !found.fight {
        eprintln!("they leave each other alone");
    }
    if let Some(joint) = &found.joint {
        let readings: Vec<String> = joint.readings.iter().map(|r| format!("{r:.3}")).collect();
        eprintln!(
            "these settings come within {:.3} of what is wanted (read {}):",
            joint.error,
            readings.join(", ")
        );
        for control in &joint.controls {
            super::say(&format!("--control {control}"));
        }
    } else if found.fight {
        eprintln!("no settings were found that come nearer to what is wanted");
    }
}

fn line(what: &str, how_much: &str) {
    eprintln!("{what:<NAMES$} {how_much}");
}
