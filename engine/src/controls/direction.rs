//! Token-level attribute directions (Continuous, Subject-Specific Attribute Control,
//! arXiv 2403.17064): `e'ᵢ = eᵢ + α · mᵢ · d`, where m is 1 on the subject's tokens and 0 elsewhere.

use tch::Tensor;

use super::ControlFile;
use crate::conditioning::{Conditioning, TokenSpan};
use crate::{EngineError, Result};

/// Tensor names of the vectors, one for each text encoder, in the order of the encoders.
pub const DELTA_NAMES: [&str; 2] = ["text_encoder.delta", "text_encoder_2.delta"];

/// One vector for each text encoder.
#[derive(Debug)]
pub struct Direction {
    deltas: Vec<Tensor>,
}

impl Direction {
    /// A direction of `deltas`, each `[dim]`, in the order of the model's text encoders.
    pub fn new(deltas: Vec<Tensor>) -> Self {
        Self { deltas }
    }

    /// Reads the vectors of a control's file.
    ///
    /// # Errors
    /// The file holds none, or one that is no vector.
    pub fn read(file: &ControlFile) -> Result<Self> {
        let names = DELTA_NAMES.iter().filter(|name| file.has(name));
        let deltas: Vec<Tensor> = names.map(|name| file.tensor(name)).collect::<Result<_>>()?;
        if deltas.is_empty() || deltas.iter().any(|d| d.dim() != 1) {
            return Err(EngineError::bad_file(
                file.path(),
                format!(
                    "holds no direction: \"{}\" must be a vector",
                    DELTA_NAMES[0]
                ),
            ));
        }
        Ok(Self::new(deltas))
    }

    /// The vectors, each `[dim]`.
    pub fn deltas(&self) -> &[Tensor] {
        &self.deltas
    }

    /// Its tensors by name, for a control's file.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let names = DELTA_NAMES.iter().map(|&name| name.to_owned());
        names
            .zip(self.deltas.iter().map(Tensor::shallow_clone))
            .collect()
    }

    /// Moves the tokens of `span` by `alpha` times the direction, in every text encoder that it
    /// has a vector for. The pooled vector and all other tokens stay as they are.
    ///
    /// # Errors
    /// A vector is of another width than the encoder's, or memory runs out.
    pub fn apply(&self, to: &mut Conditioning, span: &TokenSpan, alpha: f64) -> Result<()> {
        for (at, (encoder, delta)) in to.encoders.iter_mut().zip(&self.deltas).enumerate() {
            let (width, own) = (encoder.tokens.size()[1], delta.size()[0]);
            if width != own {
                return Err(EngineError::request(
                    "direction",
                    format!(
                        "it was made for a text encoder of width {own}, and this model's number \
                         {} has {width}; take one that was made for this model",
                        at + 1
                    ),
                ));
            }
            let tokens = &encoder.tokens;
            let delta = delta.f_mul_scalar(alpha)?.f_to_device(tokens.device())?;
            let count = span.tokens.len() as i64;
            let (before, after) = (span.tokens.start as i64, span.tokens.end as i64);
            let moved = tokens
                .f_narrow(0, before, count)?
                .f_add(&delta.f_to_kind(tokens.kind())?)?;
            let rest = tokens.size()[0] - after;
            encoder.tokens = Tensor::f_cat(
                &[
                    &tokens.f_narrow(0, 0, before)?,
                    &moved,
                    &tokens.f_narrow(0, after, rest)?,
                ],
                0,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::Direction;
    use crate::conditioning::{Conditioning, EncoderStates, TokenSpan};

    fn conditioning(widths: &[i64]) -> Conditioning {
        let encoders = widths
            .iter()
            .map(|&width| EncoderStates {
                tokens: Tensor::rand([6, width], (Kind::Float, Device::Cpu)),
            })
            .collect();
        Conditioning {
            prompt: "a red cat".to_owned(),
            encoders,
            pooled: Some(Tensor::from_slice(&[1.0_f32, 2.0])),
            sizes: None,
            words: Vec::new(),
            extra_tokens: None,
        }
    }

    fn span() -> TokenSpan {
        TokenSpan {
            text: "red cat".to_owned(),
            bytes: 2..9,
            tokens: 2..4,
        }
    }

    #[test]
    fn only_the_subjects_tokens_move_and_in_every_encoder() {
        let before = conditioning(&[3, 4]);
        let mut after = conditioning(&[3, 4]);
        for (a, b) in after.encoders.iter_mut().zip(&before.encoders) {
            a.tokens = b.tokens.shallow_clone();
        }
        let deltas = [3, 4].map(|w| Tensor::rand([w], (Kind::Float, Device::Cpu)));
        let direction = Direction::new(deltas.iter().map(Tensor::shallow_clone).collect());
        direction.apply(&mut after, &span(), -1.5).unwrap();
        for ((a, b), d) in after.encoders.iter().zip(&before.encoders).zip(&deltas) {
            for row in 0..6_i64 {
                let moved = a.tokens.get(row) - b.tokens.get(row);
                let want = if (2..4).contains(&row) {
                    d * -1.5
                } else {
                    d * 0.0
                };
                assert!(moved.allclose(&want, 1e-6, 1e-6, false), "row {row}");
            }
        }
        assert_eq!(after.pooled, before.pooled);
    }

    #[test]
    fn a_direction_for_another_encoder_is_refused_with_both_widths() {
        let direction = Direction::new(vec![Tensor::from_slice(&[1.0_f32; 5])]);
        let error = direction
            .apply(&mut conditioning(&[3]), &span(), 1.0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("width 5") && error.contains("has 3"),
            "{error}"
        );
    }
}
