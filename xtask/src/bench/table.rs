//! The table of ratios.

use std::fmt::{self, Display};

/// What a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Bytes,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.3} s"),
            Self::Bytes => format!("{:.0} MB", value / 1e6),
        }
    }
}

/// One measurement: ours, the peer's where there is one, and the ratio to stay below.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    unit: Unit,
    ours: Option<f64>,
    peer: Option<f64>,
    target: f64,
}

impl Row {
    /// A row from the runs of each side, ours first; the medians count.
    pub(super) fn new(name: &str, unit: Unit, sides: &[Vec<f64>], target: f64) -> Self {
        let side = |index: usize| sides.get(index).and_then(|runs| median(runs));
        Self {
            name: name.to_owned(),
            unit,
            ours: side(0),
            peer: side(1),
            target,
        }
    }

    fn cells(&self) -> [String; 5] {
        let write =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| self.unit.write(value));
        let ratio = self.ours.zip(self.peer).map(|(ours, peer)| ours / peer);
        let verdict = match ratio {
            Some(ratio) if ratio <= self.target => "reached",
            Some(_) => "missed",
            None => "",
        };
        [
            self.name.clone(),
            write(self.ours),
            write(self.peer),
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            format!("≤ {:.2} {verdict}", self.target)
                .trim_end()
                .to_owned(),
        ]
    }
}

/// The middle of the runs; between the two middle ones of an even number.
fn median(runs: &[f64]) -> Option<f64> {
    let mut runs = runs.to_vec();
    runs.sort_by(f64::total_cmp);
    let (low, high) = (
        runs.get(runs.len().checked_sub(1)? / 2)?,
        runs.get(runs.len() / 2)?,
    );
    Some(f64::midpoint(*low, *high))
}

/// The rows, printed as aligned columns.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Row>);

impl Table {
    pub(super) fn add(&mut self, row: Row) {
        self.0.push(row);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "Vernier", "diffusers", "ratio", "target"].map(str::to_owned);
        let lines: Vec<_> = [head]
            .into_iter()
            .chain(self.0.iter().map(Row::cells))
            .collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
        let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or_default());
        for [name, ours, peer, ratio, target] in &lines {
            let [w0, w1, w2, w3] = widths;
            writeln!(
                f,
                "{name:<w0$}  {ours:>w1$}  {peer:>w2$}  {ratio:>w3$}  {target}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_slow_run() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 90.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 90.0]), Some(3.0));
    }

    #[test]
    fn prints_ratios_and_verdicts() {
        let mut table = Table::default();
        table.add(Row::new(
            "Picture",
            Unit::Seconds,
            &[vec![0.7], vec![1.0]],
            0.7,
        ));
        table.add(Row::new(
            "Peak memory",
            Unit::Bytes,
            &[vec![9e8], vec![1e9]],
            0.8,
        ));
        table.add(Row::new("Alone", Unit::Seconds, &[vec![1.0]], 1.0));
        let expected = "             Vernier  diffusers  ratio  target\n\
            Picture      0.700 s    1.000 s   0.70  ≤ 0.70 reached\n\
            Peak memory   900 MB    1000 MB   0.90  ≤ 0.80 missed\n\
            Alone        1.000 s          -      -  ≤ 1.00\n";
        assert_eq!(table.to_string(), expected);
    }
}
