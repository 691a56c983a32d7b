//! An IP-Adapter, read for one model.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::file::{PicturePromptFile, PicturePromptKind};
use super::projection::Projection;
use super::sites::sites_in_file_order;
use crate::adapters::Family;
use crate::layers::{DecoupledBranch, Linear};
use crate::models::unet::{CrossAttention, UNet};
use crate::weights::ParamStore;
use crate::{EngineError, Result};

/// Names of tensors that are told.
const SHOWN: usize = 4;

/// What an image tower saw in pictures, as an adapter reads it: `[pictures, embed]`, or
/// `[pictures, patches, embed]`.
#[derive(Debug)]
pub struct Embeddings {
    /// Of the pictures.
    pub positive: Tensor,
    /// Of what the negative half of guidance sees in their place.
    pub negative: Tensor,
}

#[derive(Debug)]
struct Site {
    layer: CrossAttention,
    to_k: Linear,
    to_v: Linear,
}

/// An adapter with the layers of the U-Net that it was read for.
#[derive(Debug)]
pub struct PicturePrompt {
    /// What it is.
    pub kind: PicturePromptKind,
    /// SHA-256 of its file in hex.
    pub hash: String,
    /// What the artist should know, a sentence each.
    pub notes: Vec<String>,
    projection: Projection,
    sites: Vec<Site>,
    options: (Kind, Device),
}

impl PicturePrompt {
    /// Reads the file at `path` for `unet`, in its dtype and on its device.
    ///
    /// # Errors
    /// As [`PicturePromptFile::look`]; or it is for another family of models, lacks a tensor, or
    /// memory runs out.
    pub fn read(path: &Path, unet: &UNet) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let file = PicturePromptFile::look(path)?;
        let sites = sites_in_file_order(unet);
        check_fit(&file, unet, &sites)?;
        let options = unet.options();
        let store = ParamStore::renamed(file.as_stored(), options.0, options.1);
        let projection = Projection::new(&store.root().at("image_proj"), &file.kind)?;
        let attention = store.root().at("ip_adapter");
        let dim = file.kind.dim();
        let sites = sites.into_iter().map(|(number, layer)| {
            let at = attention.at(number);
            let linear = |name: &str| Linear::new(&at.at(name), dim, layer.channels, false);
            Ok(Site {
                to_k: linear("to_k_ip")?,
                to_v: linear("to_v_ip")?,
                layer,
            })
        });
        let sites = sites.collect::<Result<Vec<_>>>()?;
        let report = store.report();
        if !report.missing.is_empty() || !report.shapes.is_empty() {
            return Err(EngineError::Weights {
                path: file.path().to_owned(),
                missing: report.missing,
                unexpected: Vec::new(),
                shapes: report.shapes,
            });
        }
        store.check_finite()?;
        Ok(Self {
            kind: file.kind,
            hash: file.hash()?,
            notes: unused(&report.unexpected).into_iter().collect(),
            projection,
            sites,
            options,
        })
    }

    /// Tokens `[1, pictures · tokens, dim]` of several pictures side by side, from
    /// `[pictures, embed]` or `[pictures, patches, embed]`.
    ///
    /// # Errors
    /// The width is another, or memory runs out.
    pub fn tokens(&self, embeddings: &Tensor) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let (kind, device) = self.options;
        let embeddings = embeddings.f_to_device(device)?.f_to_kind(kind)?;
        let tokens = self.projection.forward(&embeddings)?;
        Ok(tokens.f_reshape([1, -1, self.kind.dim()])?)
    }

    /// Keys and values of `tokens` `[1, tokens, dim]` for every layer that reads text.
    ///
    /// # Errors
    /// The width is another, or memory runs out.
    pub fn branch(&self, tokens: &Tensor) -> Result<DecoupledBranch> {
        let _guard = tch::no_grad_guard();
        let count = self.sites.iter().map(|s| s.layer.site.index + 1).max();
        let mut keys_values: Vec<_> = (0..count.unwrap_or(0)).map(|_| None).collect();
        for site in &self.sites {
            let of = |linear: &Linear| {
                let own = linear.forward(tokens)?;
                site.layer.split_heads(&own, self.options)
            };
            keys_values[site.layer.site.index] = Some((of(&site.to_k)?, of(&site.to_v)?));
        }
        Ok(DecoupledBranch {
            weight: 1.0,
            keys_values,
            ..DecoupledBranch::default()
        })
    }
}

/// Fails where `file` was made for another model than `unet`.
fn check_fit(
    file: &PicturePromptFile,
    unet: &UNet,
    sites: &[(usize, CrossAttention)],
) -> Result<()> {
    let own = Family::of_config(unet.config());
    let made_for = file.kind.family();
    let misfit = sites.iter().find(|(number, layer)| {
        let name = format!("ip_adapter.{number}.to_k_ip.weight");
        file.shape(&name) != Some(&[layer.channels, file.kind.dim()])
    });
    if own == made_for && misfit.is_none() && file.layers.len() == sites.len() {
        return Ok(());
    }
    let why = if own == made_for {
        let has = file.layers.len();
        format!("its {has} layers are not the {} of this model", sites.len())
    } else {
        format!("is made for {made_for}, and this model is {own}")
    };
    let problem = format!("{why}; take a picture prompt that was made for it, or another model");
    Err(EngineError::bad_file(file.path(), problem))
}

fn unused(names: &[String]) -> Option<String> {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = names.len().saturating_sub(shown.len());
    let more = (more > 0).then(|| format!(" and {more} more"));
    (!names.is_empty()).then(|| {
        format!(
            "{} tensors that are not known here are left out: {}{}",
            names.len(),
            shown.join(", "),
            more.unwrap_or_default()
        )
    })
}
