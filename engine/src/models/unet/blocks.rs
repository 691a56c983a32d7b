//! The levels of the U-Net: down, middle and up, with or without attention.

use tch::Tensor;

use super::Builder;
use super::CrossAttention;
use super::config::{Level, Middle};
use super::pass::{Pass, TextContext};
use super::transformer::{Transformer, TransformerShape};
use crate::Result;
use crate::layers::{Downsample, LayerVisitor, NormVisitor, ResnetBlock, Upsample};
use crate::weights::Params;

/// A residual block and the transformer stage that may follow it.
#[derive(Debug)]
struct Stage {
    resnet: ResnetBlock,
    transformer: Option<Transformer>,
    resnet_path: String,
}

impl Stage {
    /// Takes `resnets.{index}` and, where `transformer` is given, `attentions.{index}`.
    fn new(
        params: &Params,
        builder: &Builder<'_>,
        index: i64,
        (in_channels, out_channels): (i64, i64),
        transformer: Option<TransformerShape>,
    ) -> Result<Self> {
        let at = params.at("resnets").at(index);
        let resnet = ResnetBlock::new(&at, &builder.resnet(in_channels, out_channels))?;
        let transformer = transformer
            .map(|shape| Transformer::new(&params.at("attentions").at(index), builder, &shape))
            .transpose()?;
        Ok(Self {
            resnet,
            transformer,
            resnet_path: at.path().to_owned(),
        })
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass<'_, '_>) -> Result<Tensor> {
        let x = self.resnet.forward(x, Some(&pass.time))?;
        match &self.transformer {
            Some(transformer) => transformer.forward(&x, pass),
            None => Ok(x),
        }
    }

    fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        match &self.transformer {
            Some(transformer) => transformer.read_text(text, into),
            None => Ok(()),
        }
    }

    fn describe(&self, into: &mut Vec<CrossAttention>) {
        if let Some(transformer) = &self.transformer {
            transformer.describe(into);
        }
    }

    fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        self.resnet.visit(&self.resnet_path, visitor);
        if let Some(transformer) = &self.transformer {
            transformer.visit(visitor);
        }
    }

    fn visit_norms(&self, visitor: &mut NormVisitor<'_>) {
        self.resnet.visit_norms(&self.resnet_path, visitor);
        if let Some(transformer) = &self.transformer {
            transformer.visit_norms(visitor);
        }
    }
}

impl Level {
    fn transformer(&self, layers: i64) -> TransformerShape {
        TransformerShape {
            channels: self.channels,
            heads: self.heads,
            text_dim: self.text_dim,
            layers,
            only_cross_attention: self.only_cross_attention,
        }
    }
}

/// `DownBlock2D` or `CrossAttnDownBlock2D`.
#[derive(Debug)]
pub(super) struct DownBlock {
    stages: Vec<Stage>,
    downsample: Option<Downsample>,
    path: String,
}

impl DownBlock {
    /// Notes the channels of every feature map that it leaves behind in `skips`.
    pub(super) fn new(
        params: &Params,
        builder: &Builder<'_>,
        level: &Level,
        in_channels: i64,
        is_last: bool,
        skips: &mut Vec<i64>,
    ) -> Result<Self> {
        let channels = level.channels;
        let mut stages = Vec::new();
        for j in 0..level.layers {
            let inward = if j == 0 { in_channels } else { channels };
            let transformer = level
                .attends_down
                .then(|| level.transformer(level.transformer_layers));
            stages.push(Stage::new(
                params,
                builder,
                j,
                (inward, channels),
                transformer,
            )?);
            skips.push(channels);
        }
        let downsample = if is_last {
            None
        } else {
            skips.push(channels);
            let padding = builder.config.downsample_padding;
            let at = params.at("downsamplers").at(0);
            Some(Downsample::new(&at, channels, padding)?)
        };
        Ok(Self {
            stages,
            downsample,
            path: params.path().to_owned(),
        })
    }

    /// Leaves every feature map behind in `skips`, the last of which goes on inwards.
    pub(super) fn forward(
        &self,
        mut x: Tensor,
        pass: &mut Pass<'_, '_>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        for stage in &self.stages {
            x = stage.forward(&x, pass)?;
            skips.push(x.shallow_clone());
        }
        if let Some(downsample) = &self.downsample {
            x = downsample.forward(&x)?;
            skips.push(x.shallow_clone());
        }
        Ok(x)
    }

    pub(super) fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        self.stages.iter().try_for_each(|s| s.read_text(text, into))
    }

    pub(super) fn describe(&self, into: &mut Vec<CrossAttention>) {
        for stage in &self.stages {
            stage.describe(into);
        }
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        for stage in &self.stages {
            stage.visit(visitor);
        }
        if let Some(downsample) = &self.downsample {
            downsample.visit(&format!("{}.downsamplers.0", self.path), visitor);
        }
    }

    pub(super) fn visit_norms(&self, visitor: &mut NormVisitor<'_>) {
        for stage in &self.stages {
            stage.visit_norms(visitor);
        }
    }
}

/// `UNetMidBlock2DCrossAttn` or `UNetMidBlock2D`.
#[derive(Debug)]
pub(super) struct MidBlock {
    first: Stage,
    second: Option<Stage>,
}

impl MidBlock {
    pub(super) fn new(
        params: &Params,
        builder: &Builder<'_>,
        level: &Level,
        middle: Middle,
    ) -> Result<Option<Self>> {
        let channels = (level.channels, level.channels);
        let transformer = TransformerShape {
            // Python diffusers does not hand this one down to the middle.
            only_cross_attention: false,
            ..level.transformer(level.transformer_layers)
        };
        Ok(match middle {
            Middle::None => None,
            Middle::Resnet => Some(Self {
                first: Stage::new(params, builder, 0, channels, None)?,
                second: None,
            }),
            Middle::CrossAttention => Some(Self {
                first: Stage::new(params, builder, 0, channels, Some(transformer))?,
                second: Some(Stage::new(params, builder, 1, channels, None)?),
            }),
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &mut Pass<'_, '_>) -> Result<Tensor> {
        let x = self.first.forward(x, pass)?;
        match &self.second {
            Some(second) => second.forward(&x, pass),
            None => Ok(x),
        }
    }

    pub(super) fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        self.first.read_text(text, into)
    }

    pub(super) fn describe(&self, into: &mut Vec<CrossAttention>) {
        self.first.describe(into);
        if let Some(second) = &self.second {
            second.describe(into);
        }
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        self.first.visit(visitor);
        if let Some(second) = &self.second {
            second.visit(visitor);
        }
    }

    pub(super) fn visit_norms(&self, visitor: &mut NormVisitor<'_>) {
        self.first.visit_norms(visitor);
        if let Some(second) = &self.second {
            second.visit_norms(visitor);
        }
    }
}

/// `UpBlock2D` or `CrossAttnUpBlock2D`.
#[derive(Debug)]
pub(super) struct UpBlock {
    stages: Vec<Stage>,
    upsample: Option<Upsample>,
    path: String,
}

impl UpBlock {
    /// Takes the channels of the feature maps that it meets off the end of `skips`.
    pub(super) fn new(
        params: &Params,
        builder: &Builder<'_>,
        level: &Level,
        in_channels: i64,
        is_last: bool,
        skips: &mut Vec<i64>,
    ) -> Result<Self> {
        let channels = level.channels;
        let mut stages = Vec::new();
        for j in 0..=level.layers {
            let own = if j == 0 { in_channels } else { channels };
            let inward = own + skips.pop().unwrap_or_default();
            let transformer = level
                .attends_up
                .then(|| level.transformer(level.transformer_layers_up));
            stages.push(Stage::new(
                params,
                builder,
                j,
                (inward, channels),
                transformer,
            )?);
        }
        let upsample = (!is_last)
            .then(|| Upsample::new(&params.at("upsamplers").at(0), channels))
            .transpose()?;
        Ok(Self {
            stages,
            upsample,
            path: params.path().to_owned(),
        })
    }

    /// Takes the feature maps that it meets off the end of `skips`.
    pub(super) fn forward(
        &self,
        mut x: Tensor,
        pass: &mut Pass<'_, '_>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        for stage in &self.stages {
            if let Some(skip) = skips.pop() {
                x = Tensor::f_cat(&[x, skip], 1)?;
            }
            x = stage.forward(&x, pass)?;
        }
        let Some(upsample) = &self.upsample else {
            return Ok(x);
        };
        // The next map to meet has the size from before the halving, odd or even.
        let size = match skips.last() {
            Some(skip) => {
                let (_, _, height, width) = skip.size4()?;
                Some((height, width))
            }
            None => None,
        };
        upsample.forward(&x, size)
    }

    pub(super) fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        self.stages.iter().try_for_each(|s| s.read_text(text, into))
    }

    pub(super) fn describe(&self, into: &mut Vec<CrossAttention>) {
        for stage in &self.stages {
            stage.describe(into);
        }
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        for stage in &self.stages {
            stage.visit(visitor);
        }
        if let Some(upsample) = &self.upsample {
            upsample.visit(&format!("{}.upsamplers.0", self.path), visitor);
        }
    }

    pub(super) fn visit_norms(&self, visitor: &mut NormVisitor<'_>) {
        for stage in &self.stages {
            stage.visit_norms(visitor);
        }
    }
}
