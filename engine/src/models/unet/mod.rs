//! The conditional U-Net (`UNet2DConditionModel`).
