//! What a network is asked to read: one head for every attribute of every place.

use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_world::{Attribute, Continuous, Discrete, Scene, Value};

/// One attribute's slice of an output vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// Which attribute.
    pub attribute: Attribute,
    /// First output.
    pub start: i64,
    /// Outputs: one for a continuous attribute, one a class for a discrete one.
    pub width: i64,
}

/// Heads for the attributes of one subject, or of the picture as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadLayout {
    /// The heads, without gaps.
    pub heads: Vec<Head>,
    /// Outputs in all.
    pub width: i64,
}

impl HeadLayout {
    /// Heads of a single subject.
    pub fn subject() -> Self {
        Self::of(|a| !a.is_picture_level())
    }

    /// Heads of the picture.
    pub fn picture() -> Self {
        Self::of(Attribute::is_picture_level)
    }

    fn of(keep: impl Fn(Attribute) -> bool) -> Self {
        let mut heads = Vec::new();
        let mut start = 0;
        let continuous = Continuous::ALL.iter().map(|&a| (Attribute::Continuous(a), 1));
        let discrete =
            Discrete::ALL.iter().map(|&a| (Attribute::Discrete(a), a.classes().len() as i64));
        for (attribute, width) in continuous.chain(discrete).filter(|(a, _)| keep(*a)) {
            heads.push(Head { attribute, start, width });
            start += width;
        }
        Self { heads, width: start }
    }

    /// The head of `attribute`.
    pub fn head(&self, attribute: Attribute) -> Option<&Head> {
        self.heads.iter().find(|h| h.attribute == attribute)
    }
}

/// Values asked of a batch: per row and head a value, or nothing.
#[derive(Debug, Clone)]
pub struct Targets {
    /// `[rows][heads]`.
    pub values: Vec<Vec<Option<Value>>>,
}

impl Targets {
    /// No rows yet.
    pub fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// Adds a row with every attribute that `scene` shows at `subject`.
    pub fn push_all(&mut self, layout: &HeadLayout, scene: &Scene, subject: Option<usize>) {
        self.push(layout, |attribute| scene.value(subject, attribute));
    }

    /// Adds a row.
    pub fn push(&mut self, layout: &HeadLayout, value: impl Fn(Attribute) -> Option<Value>) {
        self.values.push(layout.heads.iter().map(|h| value(h.attribute)).collect());
    }

    /// Mean loss of `outputs` `[rows, layout.width]`: squared error (times 4) for continuous heads,
    /// cross-entropy (over the logarithm of the class count) for discrete ones, each head averaged over the rows that have it.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn loss(&self, layout: &HeadLayout, outputs: &Tensor) -> Result<Tensor> {
        let device: Device = outputs.device();
        let outputs = outputs.f_to_kind(Kind::Float)?;
        let mut losses = Vec::new();
        for (at, head) in layout.heads.iter().enumerate() {
            let rows: Vec<(i64, Value)> = self
                .values
                .iter()
                .enumerate()
                .filter_map(|(row, values)| values[at].map(|v| (row as i64, v)))
                .collect();
            if rows.is_empty() {
                continue;
            }
            let index: Vec<i64> = rows.iter().map(|r| r.0).collect();
            let index = Tensor::from_slice(&index).f_to_device(device)?;
            let got = outputs.f_index_select(0, &index)?.f_narrow(1, head.start, head.width)?;
            losses.push(if head.width == 1 {
                let want: Vec<f32> = rows
                    .iter()
                    .map(|r| match r.1 {
                        Value::Continuous(v) => v,
                        Value::Discrete(class) => class as f32,
                    })
                    .collect();
                let want = Tensor::from_slice(&want).f_to_device(device)?;
                let error = got.f_squeeze_dim(1)?.f_sub(&want)?.f_square()?;
                error.f_mean(Kind::Float)?.f_mul_scalar(4.0)?
            } else {
                let want: Vec<i64> = rows
                    .iter()
                    .map(|r| match r.1 {
                        Value::Discrete(class) => class as i64,
                        Value::Continuous(v) => v.round() as i64,
                    })
                    .collect();
                let want = Tensor::from_slice(&want).f_to_device(device)?;
                let loss =
                    got.f_log_softmax(-1, Kind::Float)?.f_nll_loss::<Tensor>(&want, None, tch::Reduction::Mean, -100)?;
                loss.f_div_scalar((head.width as f64).ln())?
            });
        }
        if losses.is_empty() {
            return Ok(outputs.f_sum(Kind::Float)?.f_mul_scalar(0.0)?);
        }
        Ok(Tensor::f_stack(&losses, 0)?.f_mean(Kind::Float)?)
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::new()
    }
}

/// What `outputs` `[layout.width]` say about one head.
///
/// # Errors
/// A tensor operation failed.
pub fn read(head: &Head, outputs: &Tensor) -> Result<Value> {
    let slice = outputs.f_narrow(0, head.start, head.width)?;
    Ok(if head.width == 1 {
        Value::Continuous(f64::try_from(slice.f_get(0)?)?.clamp(0.0, 1.0) as f32)
    } else {
        Value::Discrete(i64::try_from(slice.f_argmax(0, false)?)? as usize)
    })
}
