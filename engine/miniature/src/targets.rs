//! What a network is asked to read: one head for every attribute of every place.

use tch::{Kind, Tensor};
use vernier_engine::Result;
use vernier_world::{Attribute, Continuous, Discrete, Scene, Value};

use crate::loss::cross_entropy;

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

impl Head {
    fn is_continuous(&self) -> bool {
        matches!(self.attribute, Attribute::Continuous(_))
    }

    /// Loss of `outputs` `[rows, width]` against one value a row.
    fn loss(&self, outputs: &Tensor, values: &[Value]) -> Result<Tensor> {
        let device = outputs.device();
        if self.is_continuous() {
            let want: Vec<f32> = values.iter().copied().map(number).collect();
            let want = Tensor::f_from_slice(&want)?.f_to_device(device)?;
            let error = outputs.f_squeeze_dim(1)?.f_sub(&want)?.f_square()?;
            return Ok(error.f_mean(Kind::Float)?.f_mul_scalar(4.0)?);
        }
        let want: Vec<i64> = values.iter().copied().map(class).collect();
        let want = Tensor::f_from_slice(&want)?.f_to_device(device)?;
        let loss = cross_entropy(outputs, &want)?;
        Ok(loss.f_div_scalar((self.width as f64).ln())?)
    }
}

/// A value on the scale of a continuous head.
fn number(value: Value) -> f32 {
    match value {
        Value::Continuous(number) => number,
        Value::Discrete(class) => class as f32,
    }
}

/// A value as the class number of a discrete head.
fn class(value: Value) -> i64 {
    match value {
        Value::Continuous(number) => number.round() as i64,
        Value::Discrete(class) => class as i64,
    }
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
        let continuous = Continuous::ALL
            .iter()
            .map(|&a| (Attribute::Continuous(a), 1));
        let discrete = Discrete::ALL
            .iter()
            .map(|&a| (Attribute::Discrete(a), a.classes().len() as i64));
        for (attribute, width) in continuous.chain(discrete).filter(|(a, _)| keep(*a)) {
            heads.push(Head {
                attribute,
                start,
                width,
            });
            start += width;
        }
        Self {
            heads,
            width: start,
        }
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
        self.values
            .push(layout.heads.iter().map(|h| value(h.attribute)).collect());
    }

    /// Mean loss of `outputs` `[rows, layout.width]` over the heads that have a value in any row:
    /// four times the squared error for continuous heads, cross-entropy over the logarithm of the
    /// class count for discrete ones, each averaged over the rows that have a value.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn loss(&self, layout: &HeadLayout, outputs: &Tensor) -> Result<Tensor> {
        let outputs = outputs.f_to_kind(Kind::Float)?;
        let mut losses = Vec::new();
        for (at, head) in layout.heads.iter().enumerate() {
            let asked = self.values.iter().map(|values| values[at]);
            let (rows, values): (Vec<i64>, Vec<Value>) = asked
                .enumerate()
                .filter_map(|(row, value)| Some((row as i64, value?)))
                .unzip();
            if rows.is_empty() {
                continue;
            }
            let rows = Tensor::f_from_slice(&rows)?.f_to_device(outputs.device())?;
            let got = outputs
                .f_index_select(0, &rows)?
                .f_narrow(1, head.start, head.width)?;
            losses.push(head.loss(&got, &values)?);
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

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};
    use vernier_world::{Attribute, Continuous, Discrete, SampleOptions, Value};

    use super::{HeadLayout, Targets};
    use crate::loss::figure;
    use crate::pool::held_out_scene;

    /// Outputs that say exactly what is asked, discrete ones with great confidence.
    fn perfect(layout: &HeadLayout, targets: &Targets) -> Tensor {
        let rows = targets.values.len() as i64;
        let outputs = Tensor::zeros([rows, layout.width], (Kind::Float, Device::Cpu));
        for (row, values) in targets.values.iter().enumerate() {
            for (head, value) in layout.heads.iter().zip(values) {
                let (at, number) = match value {
                    None => continue,
                    Some(Value::Continuous(v)) => (head.start, f64::from(*v)),
                    Some(Value::Discrete(class)) => (head.start + *class as i64, 30.0),
                };
                let _ = outputs.get(row as i64).get(at).fill_(number);
            }
        }
        outputs
    }

    #[test]
    fn the_layouts_hold_every_attribute_once_without_gaps() {
        let (subject, picture) = (HeadLayout::subject(), HeadLayout::picture());
        for layout in [&subject, &picture] {
            let mut end = 0;
            for head in &layout.heads {
                assert_eq!(head.start, end);
                end += head.width;
            }
            assert_eq!(end, layout.width);
        }
        let all = Continuous::ALL.len() + Discrete::ALL.len();
        assert_eq!(subject.heads.len() + picture.heads.len(), all);
    }

    #[test]
    fn a_perfect_prediction_costs_next_to_nothing_and_a_wrong_one_does() {
        let layout = HeadLayout::subject();
        let mut targets = Targets::new();
        for index in 0..8 {
            let scene = held_out_scene(index, &SampleOptions::default());
            targets.push_all(&layout, &scene, Some(0));
        }
        let outputs = perfect(&layout, &targets);
        let loss = figure(&targets.loss(&layout, &outputs).unwrap()).unwrap();
        assert!(loss.abs() < 1e-6, "{loss}");
        let wrong = outputs.neg() + 1.0;
        assert!(figure(&targets.loss(&layout, &wrong).unwrap()).unwrap() > 1.0);
    }

    #[test]
    fn an_undecided_class_costs_one_and_a_continuous_error_four_times_its_square() {
        let layout = HeadLayout::subject();
        let loss_of = |attribute, value| {
            let mut targets = Targets::new();
            targets.push(&layout, |a| (a == attribute).then_some(value));
            let outputs = Tensor::zeros([1, layout.width], (Kind::Float, Device::Cpu));
            figure(&targets.loss(&layout, &outputs).unwrap()).unwrap()
        };
        let hat = Attribute::Discrete(Discrete::Hat);
        assert!((loss_of(hat, Value::Discrete(1)) - 1.0).abs() < 1e-6);
        let smile = Attribute::Continuous(Continuous::Smile);
        assert!((loss_of(smile, Value::Continuous(0.5)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_reaches_the_asked_outputs_only() {
        let layout = HeadLayout::subject();
        let smile = Attribute::Continuous(Continuous::Smile);
        let mut targets = Targets::new();
        targets.push(&layout, |a| (a == smile).then_some(Value::Continuous(0.8)));
        targets.push(&layout, |_| None);
        let outputs = Tensor::zeros([2, layout.width], (Kind::Float, Device::Cpu));
        let outputs = outputs.set_requires_grad(true);
        targets.loss(&layout, &outputs).unwrap().backward();
        let grad = outputs.grad();
        let start = layout.head(smile).unwrap().start;
        assert!((grad.double_value(&[0, start]) + 6.4).abs() < 1e-5);
        assert_eq!(i64::try_from(grad.count_nonzero(None)).unwrap(), 1);
    }

    #[test]
    fn nothing_asked_is_no_loss_and_still_has_a_gradient() {
        let layout = HeadLayout::picture();
        let mut targets = Targets::new();
        targets.push(&layout, |_| None);
        let outputs = Tensor::ones([1, layout.width], (Kind::Float, Device::Cpu));
        let outputs = outputs.set_requires_grad(true);
        let loss = targets.loss(&layout, &outputs).unwrap();
        loss.backward();
        assert!(figure(&loss).unwrap().abs() < 1e-12);
        assert!(outputs.grad().abs().max().double_value(&[]).abs() < 1e-12);
    }
}
