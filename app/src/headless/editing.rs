//! Options of `vernier render` for pictures that start from a picture, masks and regions.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::recipe::{MaskUse, PictureRef, Recipe, Region, Source};

use crate::failure::Failure;

/// How far a picture goes from its source where nobody says.
const USUAL_STRENGTH: f64 = 0.75;

/// What a picture starts from, where it may change, and words for its parts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Editing")]
pub(super) struct EditArgs {
    /// Start from this picture (PNG or JPEG), scaled to cover the size and cut about its centre
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// How far the picture may go from its source, above 0 and up to 1 [default: 0.75]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    strength: Option<f64>,
    /// Change the source only where this picture is white; black stays bit for bit
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Soften the edges of --mask and of the regions by so many pixels [default: 0]
    #[arg(long, value_name = "PX", allow_negative_numbers = true)]
    feather: Option<f64>,
    /// Change the source where the mask is black
    #[arg(long)]
    invert_mask: bool,
    /// Render the masked part alone, with so many pixels around it, at the full size, and put it
    /// back
    #[arg(long, value_name = "PX")]
    only_masked: Option<u32>,
    /// Words for the part of the picture where a mask is white: "a red cat=left.png". Repeatable;
    /// they take the place of a recipe's regions
    #[arg(long = "region", value_name = "PROMPT=FILE", value_parser = parse_region)]
    regions: Vec<(String, PathBuf)>,
}

impl EditArgs {
    /// Changes `recipe` to what the options say.
    pub(super) fn change(&self, recipe: &mut Recipe) -> Result<(), Failure> {
        if let Some(path) = &self.source {
            let strength = recipe.source.as_ref().map(|source| source.strength);
            let mut source = Source::new(PictureRef::at(path), strength.unwrap_or(USUAL_STRENGTH));
            // Another source under the same mask.
            if let Some(old) = recipe.source.take() {
                (source.mask, source.only_masked) = (old.mask, old.only_masked);
            }
            recipe.source = Some(source);
        }
        if !self.regions.is_empty() {
            let region = |(prompt, path): &(String, PathBuf)| {
                Region::new(prompt.clone(), MaskUse::new(PictureRef::at(path)))
            };
            recipe.regions = self.regions.iter().map(region).collect();
            for region in &mut recipe.regions {
                region.mask.feather_px = self.feather.unwrap_or(0.0);
            }
        }
        let Some(source) = &mut recipe.source else {
            let options = [
                ("strength", self.strength.is_some()),
                ("mask", self.mask.is_some()),
                ("invert-mask", self.invert_mask),
                ("only-masked", self.only_masked.is_some()),
            ];
            return match options.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(Failure::Usage(format!(
                    "--{name}: there is no picture to start from; give one with --source"
                ))),
                None if self.feather.is_some() && recipe.regions.is_empty() => Err(Failure::Usage(
                    "--feather: there is no mask to soften; give one with --mask or --region"
                        .to_owned(),
                )),
                None => Ok(()),
            };
        };
        source.strength = self.strength.unwrap_or(source.strength);
        if let Some(path) = &self.mask {
            source.mask = Some(MaskUse::new(PictureRef::at(path)));
        }
        if let Some(mask) = &mut source.mask {
            mask.feather_px = self.feather.unwrap_or(mask.feather_px);
            mask.inverted |= self.invert_mask;
        } else if self.invert_mask {
            return Err(Failure::Usage(
                "--invert-mask: there is no mask; give one with --mask".to_owned(),
            ));
        }
        source.only_masked = self.only_masked.or(source.only_masked);
        Ok(())
    }
}

fn parse_region(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((prompt, file)) if !prompt.trim().is_empty() && !file.is_empty() => {
            Ok((prompt.trim().to_owned(), file.into()))
        }
        _ => Err("write it as PROMPT=FILE, such as \"a red cat=left.png\"".to_owned()),
    }
}
