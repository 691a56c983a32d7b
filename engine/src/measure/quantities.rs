//! Raw measures of a picture's aesthetics, and the ranks that make values of them
//! (AttriCtrl, arXiv 2508.02151).

use serde::{Deserialize, Serialize};

use super::{ClipReader, picture_tensor};
use crate::picture::Picture;
use crate::{EngineError, Result};

/// Two texts between which CLIP is asked to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPair {
    /// What a picture with much of the attribute shows.
    pub positive: String,
    /// What a picture with none of it shows.
    pub negative: String,
}

impl TextPair {
    /// A pair of `positive` and `negative`.
    pub fn new(positive: impl Into<String>, negative: impl Into<String>) -> Self {
        Self {
            positive: positive.into(),
            negative: negative.into(),
        }
    }
}

/// A number that a picture has whoever looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// [`brightness`], 0..1.
    Brightness,
    /// [`detail`], 0..ln 256.
    Detail,
    /// The cosine of picture and positive text minus that of picture and negative text in CLIP's
    /// shared space, -2..2.
    Contrast(TextPair),
}

impl Quantity {
    /// AttriCtrl's `brightness`, `detail` or `realism`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "brightness" => Some(Self::Brightness),
            "detail" => Some(Self::Detail),
            "realism" => Some(Self::Contrast(TextPair::new(
                "A real photograph, realistic details and natural lighting.",
                "A cartoon image, is a human-created artistic representation, such as an \
                 illustration or painting.",
            ))),
            _ => None,
        }
    }

    /// Whether [`Quantity::measure`] looks through CLIP.
    pub fn needs_clip(&self) -> bool {
        matches!(self, Self::Contrast(_))
    }

    /// The raw number of `picture`.
    ///
    /// # Errors
    /// The quantity needs CLIP and `clip` is `None`, the picture is damaged, or memory runs out.
    pub fn measure(&self, picture: &Picture, clip: Option<&ClipReader>) -> Result<f64> {
        match (self, clip) {
            (Self::Brightness, _) => Ok(brightness(picture)),
            (Self::Detail, _) => Ok(detail(picture)),
            (Self::Contrast(texts), Some(clip)) => {
                let picture = clip.picture_features(&picture_tensor(&[picture])?)?;
                let cosines = clip.cosines(&picture, &[&texts.positive, &texts.negative])?;
                Ok(cosines.f_double_value(&[0, 0])? - cosines.f_double_value(&[0, 1])?)
            }
            (Self::Contrast(_), None) => Err(EngineError::request(
                "attribute",
                "it is measured by two texts, which takes CLIP; name a folder with both of its \
                 towers with --clip",
            )),
        }
    }
}

/// The mean V of HSV, 0..1: how bright the brightest channel is.
pub fn brightness(picture: &Picture) -> f64 {
    let brightest = |p: &[u8]| u64::from(p.iter().copied().max().unwrap_or(0));
    let sum: u64 = picture.rgb.chunks_exact(3).map(brightest).sum();
    let pixels = (picture.rgb.len() / 3).max(1);
    sum as f64 / (255.0 * pixels as f64)
}

/// The Shannon entropy, `−Σ p ln p`, of the histogram of the 256 levels of grey (ITU-R 601 luma),
/// 0..ln 256.
pub fn detail(picture: &Picture) -> f64 {
    let mut counts = [0_u64; 256];
    for p in picture.rgb.chunks_exact(3) {
        let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
        // 0.299, 0.587 and 0.114 in 65536ths, rounded as image libraries do.
        let grey = (19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16;
        counts[grey as usize] += 1;
    }
    let all = counts.iter().sum::<u64>().max(1) as f64;
    let parts = counts.iter().filter(|&&c| c > 0).map(|&c| c as f64 / all);
    // Adding 0 turns the −0 of a plain picture into 0.
    -parts.map(|p| p * p.ln()).sum::<f64>() + 0.0
}

/// Which values 0..1 raw numbers have: their rank among those that were seen, `(rank − 0.5) / n`.
///
/// Piecewise linear between the numbers that were seen and held at the outermost ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct RankTable {
    /// `(raw, value)`, rising strictly in both.
    knots: Vec<(f64, f64)>,
}

impl RankTable {
    /// The ranks of `raw`; equal numbers share the mean of theirs.
    ///
    /// # Errors
    /// There are not two different numbers, or one that is not finite.
    pub fn new(raw: &[f64]) -> Result<Self> {
        let mut sorted = raw.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let mut before = 0;
        let mut knots = Vec::new();
        for group in sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
            // The mean rank of the group, from 1, less a half.
            let rank = before as f64 + group.len() as f64 / 2.0;
            knots.push((group[0], rank / n));
            before += group.len();
        }
        Self::try_from(knots).map_err(|problem| EngineError::request("attribute", problem))
    }

    /// The same ranks by at most `knots` (2 or more) of their numbers, evenly chosen by rank.
    pub fn thinned(&self, knots: usize) -> Self {
        let (have, want) = (self.knots.len(), knots.max(2));
        if have <= want {
            return self.clone();
        }
        let at = |i: usize| self.knots[(i * (have - 1) + (want - 1) / 2) / (want - 1)];
        Self {
            knots: (0..want).map(at).collect(),
        }
    }

    /// The value 0..1 of a raw number.
    pub fn value_of_raw(&self, raw: f64) -> f64 {
        interpolate(&self.knots, raw)
    }

    /// The raw number of a value 0..1.
    pub fn raw_of_value(&self, value: f64) -> f64 {
        let swapped: Vec<(f64, f64)> = self.knots.iter().map(|&(r, v)| (v, r)).collect();
        interpolate(&swapped, value)
    }

    /// `(raw, value)` of the numbers that the table keeps, rising strictly in both.
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }
}

impl TryFrom<Vec<(f64, f64)>> for RankTable {
    type Error = String;

    fn try_from(knots: Vec<(f64, f64)>) -> Result<Self, String> {
        let finite = knots.iter().all(|(r, v)| r.is_finite() && v.is_finite());
        let rises = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1;
        if finite && knots.len() > 1 && knots.windows(2).all(rises) {
            return Ok(Self { knots });
        }
        Err("ranks need two different numbers at least, all of them finite".to_owned())
    }
}

impl From<RankTable> for Vec<(f64, f64)> {
    fn from(table: RankTable) -> Self {
        table.knots
    }
}

/// Piecewise linear through `points` rising strictly in x; held at the ends.
fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let after = points.partition_point(|p| p.0 < x);
    if after == 0 || after == points.len() {
        return points[after.min(points.len() - 1)].1;
    }
    let ((x0, y0), (x1, y1)) = (points[after - 1], points[after]);
    y0 + (x - x0) / (x1 - x0) * (y1 - y0)
}

/// Indices into `raw` that meet each of `bins` bins of equal width over its range equally often,
/// those that nothing falls into aside; nearly as many indices as numbers. Crowded bins are
/// thinned evenly, sparse ones repeated in turn.
pub fn balanced(raw: &[f64], bins: usize) -> Vec<usize> {
    let low = raw.iter().copied().fold(f64::INFINITY, f64::min);
    let high = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bins = bins.max(1);
    let mut members = vec![Vec::new(); bins];
    for (at, value) in raw.iter().enumerate() {
        let part = if high > low {
            (value - low) / (high - low)
        } else {
            0.0
        };
        members[((part * bins as f64) as usize).min(bins - 1)].push(at);
    }
    members.retain(|bin| !bin.is_empty());
    let each = raw.len().div_ceil(members.len().max(1));
    let chosen = members.iter().flat_map(|bin| {
        (0..each).map(|k| {
            if bin.len() > each {
                bin[k * bin.len() / each]
            } else {
                bin[k % bin.len()]
            }
        })
    });
    chosen.collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(pixels: &[[u8; 3]]) -> Picture {
        Picture {
            width_px: pixels.len() as u32,
            height_px: 1,
            rgb: pixels.concat(),
        }
    }

    #[test]
    fn brightness_is_the_mean_of_the_brightest_channels() {
        let p = picture(&[[255, 0, 10], [0, 0, 0], [51, 102, 51]]);
        assert!((brightness(&p) - (1.0 + 0.0 + 0.4) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn detail_is_the_entropy_of_the_greys() {
        assert_eq!(detail(&picture(&[[9, 9, 9]; 7])), 0.0);
        let two = picture(&[[0, 0, 0], [0, 0, 0], [255, 255, 255], [255, 255, 255]]);
        assert!((detail(&two) - 2.0_f64.ln()).abs() < 1e-12);
        // Pure red, green and blue are the greys 76, 150 and 29.
        let colors = picture(&[[255, 0, 0], [76, 76, 76], [0, 255, 0], [150, 150, 150]]);
        assert!((detail(&colors) - 2.0_f64.ln()).abs() < 1e-12);
        let every: Vec<[u8; 3]> = (0..=255).map(|g| [g; 3]).collect();
        assert!((detail(&picture(&every)) - 256.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn texts_without_clip_are_refused() {
        let realism = Quantity::named("realism").unwrap();
        assert!(realism.needs_clip() && Quantity::named("beauty").is_none());
        let error = realism.measure(&picture(&[[0; 3]]), None).unwrap_err();
        assert!(error.to_string().contains("--clip"), "{error}");
    }

    #[test]
    fn ranks_are_those_of_the_paper_and_ties_share_theirs() {
        let table = RankTable::new(&[3.0, 1.0, 2.0, 2.0]).unwrap();
        assert_eq!(table.knots(), [(1.0, 0.125), (2.0, 0.5), (3.0, 0.875)]);
        assert_eq!(
            [table.value_of_raw(0.0), table.value_of_raw(1.5)],
            [0.125, 0.3125]
        );
        assert_eq!(
            [table.raw_of_value(0.5), table.raw_of_value(1.0)],
            [2.0, 3.0]
        );
        for few in [&[][..], &[1.0], &[1.0, 1.0], &[1.0, f64::NAN]] {
            assert!(RankTable::new(few).is_err(), "{few:?}");
        }
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<RankTable>(&text).unwrap(), table);
        assert!(serde_json::from_str::<RankTable>("[[1, 0.5], [0, 0.6]]").is_err());
    }

    #[test]
    fn every_bin_is_met_equally_often() {
        let mut raw = vec![0.05; 90];
        raw.extend([0.55, 0.56, 1.0]);
        let chosen = balanced(&raw, 10);
        let count = |range: std::ops::Range<f64>| {
            chosen.iter().filter(|&&i| range.contains(&raw[i])).count()
        };
        assert_eq!([count(0.0..0.1), count(0.5..0.6), count(0.9..1.1)], [31; 3]);
        // Thinning goes over all of a bin, not over its beginning.
        assert!(chosen.contains(&0) && chosen.iter().any(|&i| (80..90).contains(&i)));
        assert!(balanced(&[], 10).is_empty());
        assert_eq!(balanced(&[2.0; 3], 10), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn values_and_raw_numbers_are_each_others_inverse(
            raw in proptest::collection::vec(-5.0_f64..5.0, 2..60),
            at in 0.0_f64..1.0,
            knots in 2_usize..20,
        ) {
            prop_assume!(raw.iter().any(|r| *r != raw[0]));
            for table in [RankTable::new(&raw).unwrap(), RankTable::new(&raw).unwrap().thinned(knots)] {
                prop_assert!(RankTable::try_from(table.knots().to_vec()).is_ok());
                let (first, last) = (table.knots()[0], table.knots()[table.knots().len() - 1]);
                let number = first.0 + at * (last.0 - first.0);
                let value = table.value_of_raw(number);
                prop_assert!((table.raw_of_value(value) - number).abs() < 1e-9);
                prop_assert!((table.value_of_raw(table.raw_of_value(value)) - value).abs() < 1e-9);
            }
        }

        #[test]
        fn more_is_never_less(
            raw in proptest::collection::vec(-5.0_f64..5.0, 2..40),
            a in -6.0_f64..6.0, b in -6.0_f64..6.0,
        ) {
            prop_assume!(raw.iter().any(|r| *r != raw[0]));
            let table = RankTable::new(&raw).unwrap();
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(table.value_of_raw(low) <= table.value_of_raw(high));
            prop_assert!(table.raw_of_value(low / 6.0) <= table.raw_of_value(high / 6.0));
            prop_assert!((0.0..=1.0).contains(&table.value_of_raw(a)));
        }

        #[test]
        fn thinned_ranks_stay_close(raw in proptest::collection::vec(-5.0_f64..5.0, 50..200)) {
            let table = RankTable::new(&raw).unwrap();
            let thin = table.thinned(26);
            prop_assert!(thin.knots().len() <= 26);
            for r in &raw {
                // Between two kept numbers lies at most a 25th of the ranks, and a bit for rounding.
                prop_assert!((table.value_of_raw(*r) - thin.value_of_raw(*r)).abs() < 0.06);
            }
        }
    }
}
