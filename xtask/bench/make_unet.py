"""Writes a U-Net of Stable Diffusion 1.5's geometry with random weights, in diffusers layout."""

import argparse

import torch
from diffusers import UNet2DConditionModel


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where to write it: 3.4 GB")
    args = parser.parse_args()
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=768,
        attention_head_dim=8,
        block_out_channels=(320, 640, 1280, 1280),
    )
    unet.save_pretrained(args.folder, max_shard_size="10GB")


if __name__ == "__main__":
    main()
