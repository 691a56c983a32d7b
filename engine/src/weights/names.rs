//! Two dialects of tensor names, and what lies otherwise in one than in the other.

use std::collections::HashMap;

use tch::Tensor;

use crate::Result;

/// How a stored tensor becomes the one that a module asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// As it is.
    Whole,
    /// A linear layer stored as a 1×1 convolution, `[out, in, 1, 1]` to `[out, in]`; anything else
    /// as it is.
    Squeezed,
    /// The first, second or last of three equal parts along the first dimension.
    Third(i64),
    /// `[in, out]` to `[out, in]`.
    Transposed,
}

/// A module or tensor in both dialects; names below it are the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePair {
    /// Path in the dialect of our modules, that of Python diffusers.
    pub ours: String,
    /// Path in the other dialect.
    pub theirs: String,
    /// What lies otherwise there.
    pub take: Take,
}

/// A dictionary between two dialects, read in both directions.
#[derive(Debug, Clone, Default)]
pub struct NameTable {
    pairs: Vec<NamePair>,
    by_ours: HashMap<String, usize>,
    /// Several of ours may lie in one of theirs.
    by_theirs: HashMap<String, Vec<usize>>,
}

impl Take {
    /// The shape that comes of one of `stored`.
    pub fn shape(self, stored: &[i64]) -> Vec<i64> {
        match (self, stored) {
            (Self::Squeezed, &[out, inward, 1, 1]) => vec![out, inward],
            (Self::Third(_), [first, rest @ ..]) => {
                let mut shape = vec![first / 3];
                shape.extend(rest);
                shape
            }
            (Self::Transposed, _) => stored.iter().rev().copied().collect(),
            _ => stored.to_vec(),
        }
    }

    /// What a module asks for, out of what is stored.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn apply(self, stored: Tensor) -> Result<Tensor> {
        let size = stored.size();
        Ok(match self {
            Self::Squeezed if size.len() == 4 => stored.f_reshape(self.shape(&size))?,
            Self::Third(part) if !size.is_empty() => {
                let length = size[0] / 3;
                // A copy: a view would keep all three parts in memory.
                stored.f_narrow_copy(0, part * length, length)?
            }
            Self::Transposed => stored.f_transpose(0, 1)?.f_contiguous()?,
            _ => stored,
        })
    }

    /// What is stored, out of what a module has; parts are put together by the caller.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn undo(self, own: Tensor) -> Result<Tensor> {
        Ok(match (self, own.dim()) {
            (Self::Squeezed, 2) => own.f_unsqueeze(-1)?.f_unsqueeze(-1)?,
            (Self::Transposed, 2) => own.f_transpose(0, 1)?.f_contiguous()?,
            _ => own,
        })
    }
}

/// The longest part of `name`, up to a dot, that `found` knows, and what is left behind it, with
/// its dot.
fn longest<T>(name: &str, found: impl Fn(&str) -> Option<T>) -> Option<(T, &str)> {
    let mut end = name.len();
    loop {
        if let Some(known) = found(&name[..end]) {
            return Some((known, &name[end..]));
        }
        end = name[..end].rfind('.')?;
    }
}

impl NameTable {
    /// The dictionary of `pairs`.
    pub fn new(pairs: Vec<NamePair>) -> Self {
        let mut table = Self::default();
        for (i, pair) in pairs.iter().enumerate() {
            table.by_ours.insert(pair.ours.clone(), i);
            let all = table.by_theirs.entry(pair.theirs.clone()).or_default();
            all.push(i);
        }
        table.pairs = pairs;
        table
    }

    /// Our names for what lies in the tensor `theirs`; none where it is not known.
    pub fn ours(&self, theirs: &str) -> Vec<(String, Take)> {
        let Some((found, rest)) = longest(theirs, |name| self.by_theirs.get(name)) else {
            return Vec::new();
        };
        let named = |&i: &usize| {
            let pair = &self.pairs[i];
            (format!("{}{rest}", pair.ours), pair.take)
        };
        found.iter().map(named).collect()
    }

    /// Their name for the tensor that lies where our `ours` does.
    pub fn theirs(&self, ours: &str) -> Option<(String, Take)> {
        let (&i, rest) = longest(ours, |name| self.by_ours.get(name))?;
        let pair = &self.pairs[i];
        Some((format!("{}{rest}", pair.theirs), pair.take))
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::{NamePair, NameTable, Take};

    fn pair(ours: &str, theirs: &str, take: Take) -> NamePair {
        NamePair {
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
            take,
        }
    }

    #[test]
    fn the_longest_known_path_decides() {
        let table = NameTable::new(vec![
            pair("a", "x", Take::Whole),
            pair("a.b", "y.z", Take::Squeezed),
            pair("q.weight", "in_proj_weight", Take::Third(0)),
            pair("k.weight", "in_proj_weight", Take::Third(1)),
        ]);
        let ours = |theirs: &str| table.ours(theirs);
        assert_eq!(ours("x.c.weight"), [("a.c.weight".to_owned(), Take::Whole)]);
        assert_eq!(ours("y.z.bias"), [("a.b.bias".to_owned(), Take::Squeezed)]);
        assert_eq!(ours("in_proj_weight").len(), 2);
        // A part of a word is no path.
        assert!(ours("xy.weight").is_empty() && ours("y.weight").is_empty());
        let theirs = table.theirs("k.weight").unwrap();
        assert_eq!(theirs, ("in_proj_weight".to_owned(), Take::Third(1)));
        assert_eq!(table.theirs("a.b.c").unwrap().0, "y.z.c");
        assert!(table.theirs("b").is_none());
    }

    #[test]
    fn what_is_undone_is_what_was_stored() {
        let stored = |shape: &[i64]| {
            let count = shape.iter().product::<i64>();
            Tensor::arange(count, tch::kind::FLOAT_CPU).view(shape)
        };
        for (take, shape) in [
            (Take::Squeezed, &[3_i64, 2, 1, 1][..]),
            (Take::Squeezed, &[3]),
            (Take::Transposed, &[3, 2]),
            (Take::Whole, &[3, 2, 3, 3]),
        ] {
            let before = stored(shape);
            let taken = take.apply(before.shallow_clone()).unwrap();
            assert_eq!(taken.size(), take.shape(shape), "{take:?}");
            assert_eq!(take.undo(taken).unwrap(), before, "{take:?}");
        }
        let parts: Vec<Tensor> = (0..3)
            .map(|i| Take::Third(i).apply(stored(&[6, 2])).unwrap())
            .collect();
        assert_eq!(parts[1].size(), Take::Third(1).shape(&[6, 2]));
        assert_eq!(Tensor::cat(&parts, 0), stored(&[6, 2]));
    }
}
