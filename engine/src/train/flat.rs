//! All parameters of a model as views of one buffer, so that an optimiser step is a few large
//! operations instead of several for each of hundreds of tensors.

use tch::{Kind, Tensor};

use crate::{EngineError, Result};

/// The trainable parameters of one model, stored end to end in one buffer.
#[derive(Debug)]
pub struct FlatParams {
    buffer: Tensor,
    views: Vec<(String, Tensor)>,
}

impl FlatParams {
    /// Moves `params` into one buffer and makes them leaves that want gradients.
    ///
    /// Modules built on these tensors keep working: each handle now looks into the buffer.
    ///
    /// # Errors
    /// libtorch runs out of memory, or there is nothing to train.
    pub fn gather(params: Vec<(String, Tensor)>) -> Result<Self> {
        let Some((_, first)) = params.first() else {
            return Err(EngineError::request(
                "trainable parameters",
                "there are none",
            ));
        };
        let _guard = tch::no_grad_guard();
        let total: i64 = params.iter().map(|(_, t)| t.numel() as i64).sum();
        let buffer = Tensor::f_empty([total], (first.kind(), first.device()))?;
        Self::attach(params, buffer, true)
    }

    /// Makes `params` (of another replica of the same model) look into the same buffer.
    ///
    /// # Errors
    /// The replica's parameters differ in number or shape.
    pub fn share(&self, params: Vec<(String, Tensor)>) -> Result<Self> {
        let same = params.len() == self.views.len()
            && params
                .iter()
                .zip(&self.views)
                .all(|(a, b)| a.0 == b.0 && a.1.size() == b.1.size());
        if !same {
            return Err(EngineError::request(
                "replica",
                "is not the same model as the first one",
            ));
        }
        let _guard = tch::no_grad_guard();
        Self::attach(params, self.buffer.shallow_clone(), false)
    }

    fn attach(params: Vec<(String, Tensor)>, buffer: Tensor, keep_values: bool) -> Result<Self> {
        let mut views = Vec::with_capacity(params.len());
        let mut at = 0;
        for (name, mut tensor) in params {
            let len = tensor.numel() as i64;
            let mut view = buffer
                .f_narrow(0, at, len)?
                .f_view(tensor.size().as_slice())?
                .f_detach()?;
            if keep_values {
                view.f_copy_(&tensor)?;
            }
            tensor.f_set_data(&view)?;
            let tensor = tensor.f_set_requires_grad(true)?;
            views.push((name, tensor));
            at += len;
        }
        Ok(Self { buffer, views })
    }

    /// The buffer, `[elements]`, in the model's dtype.
    pub fn buffer(&self) -> &Tensor {
        &self.buffer
    }

    /// Names and shapes in the order of the buffer, for checking a stored one against this.
    pub fn layout(&self) -> String {
        let entries: Vec<String> = self
            .views
            .iter()
            .map(|(name, t)| format!("{name}{:?}", t.size()))
            .collect();
        entries.join(";")
    }

    /// Number of elements.
    pub fn len(&self) -> i64 {
        self.buffer.numel() as i64
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Copies all gradients, in fp32, into `out` `[elements]` and clears them.
    ///
    /// A parameter that the loss did not reach counts as zero gradient.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn take_gradients(&mut self, out: &mut Tensor) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let mut at = 0;
        for (_, tensor) in &mut self.views {
            let len = tensor.numel() as i64;
            let mut slot = out.f_narrow(0, at, len)?;
            let mut grad = tensor.f_grad()?;
            if grad.defined() {
                slot.f_copy_(&grad.f_reshape([-1])?)?;
                let _ = grad.f_zero_()?;
            } else {
                let _ = slot.f_zero_()?;
            }
            at += len;
        }
        Ok(())
    }

    /// Splits a flat buffer of the same length (an average, say) into named tensors of `kind`.
    ///
    /// # Errors
    /// `flat` has another length.
    pub fn split(&self, flat: &Tensor, kind: Kind) -> Result<Vec<(String, Tensor)>> {
        let _guard = tch::no_grad_guard();
        let mut named = Vec::with_capacity(self.views.len());
        let mut at = 0;
        for (name, tensor) in &self.views {
            let len = tensor.numel() as i64;
            let part = flat
                .f_narrow(0, at, len)?
                .f_view(tensor.size().as_slice())?;
            named.push((name.clone(), part.f_to_kind(kind)?));
            at += len;
        }
        Ok(named)
    }
}

/// Other handles on the same named tensors.
pub fn shallow(named: &[(String, Tensor)]) -> Vec<(String, Tensor)> {
    named
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{FlatParams, shallow};

    fn params(seed: i64) -> Vec<(String, Tensor)> {
        tch::manual_seed(seed);
        let fresh = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        vec![
            ("weight".to_owned(), fresh(&[2, 3])),
            ("scale".to_owned(), fresh(&[])),
            ("bias".to_owned(), fresh(&[2])),
        ]
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.detach().reshape([-1])).unwrap()
    }

    #[test]
    fn gathering_keeps_the_values_and_split_gives_them_back() {
        let before = params(1);
        let copies: Vec<Vec<f32>> = before.iter().map(|(_, t)| values(t)).collect();
        let flat = FlatParams::gather(shallow(&before)).unwrap();
        assert_eq!(flat.len(), 9);
        assert_eq!(values(flat.buffer()), copies.concat());
        for ((name, part), ((want, tensor), copy)) in flat
            .split(flat.buffer(), Kind::Float)
            .unwrap()
            .iter()
            .zip(before.iter().zip(copies))
        {
            assert_eq!((name, part.size()), (want, tensor.size()));
            assert_eq!(values(part), copy);
        }
    }

    #[test]
    fn handles_look_into_the_buffer_and_so_do_those_of_a_second_replica() {
        let (first, second) = (params(1), params(2));
        let flat = FlatParams::gather(shallow(&first)).unwrap();
        let shared = flat.share(shallow(&second)).unwrap();
        assert_eq!(values(&second[0].1), values(&first[0].1));
        let _ = tch::no_grad(|| flat.buffer().shallow_clone().fill_(7.0));
        for (_, tensor) in first.iter().chain(&second) {
            assert_eq!(values(tensor), vec![7.0; tensor.numel()]);
        }
        assert_eq!(flat.layout(), shared.layout());
    }

    #[test]
    fn replicas_have_gradients_of_their_own() {
        let (first, second) = (params(1), params(2));
        let mut flat = FlatParams::gather(shallow(&first)).unwrap();
        let mut shared = flat.share(shallow(&second)).unwrap();
        (&first[0].1 * 2.0).sum(Kind::Float).backward();
        (&second[2].1 * 5.0).sum(Kind::Float).backward();
        let mut out = Tensor::ones([9], (Kind::Float, Device::Cpu));
        flat.take_gradients(&mut out).unwrap();
        assert_eq!(values(&out), [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0]);
        shared.take_gradients(&mut out).unwrap();
        assert_eq!(values(&out), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0]);
        // Taking clears: nothing is left for the next step.
        flat.take_gradients(&mut out).unwrap();
        assert_eq!(values(&out), [0.0; 9]);
    }

    #[test]
    fn another_model_is_refused_and_so_is_none() {
        let flat = FlatParams::gather(params(1)).unwrap();
        let mut other = params(2);
        other[0].0 = "kernel".to_owned();
        let error = flat.share(other).unwrap_err().to_string();
        assert_eq!(error, "replica: is not the same model as the first one");
        let mut other = params(2);
        other.swap(0, 2);
        assert!(flat.share(other).is_err());
        assert!(FlatParams::gather(Vec::new()).is_err());
    }
}
