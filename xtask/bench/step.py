"""One guided step of a U-Net at 512x512 by Python diffusers, timed in turns."""

import argparse

import torch
from diffusers import UNet2DConditionModel

from turns import take_turns

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
GUIDANCE = 7.5


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unet", required=True, help="a folder with the U-Net's config.json")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--layout", choices=LAYOUTS, default="contiguous")
    args = parser.parse_args()
    dtype = DTYPES[args.dtype]

    unet = UNet2DConditionModel.from_pretrained(args.unet, dtype=dtype)
    unet = unet.to(memory_format=LAYOUTS[args.layout]).eval()
    generator = torch.Generator("cpu").manual_seed(0)
    latents = torch.randn(1, 4, 64, 64, generator=generator).to(dtype)
    text = torch.randn(2, 77, unet.config.cross_attention_dim, generator=generator).to(dtype)

    @torch.no_grad()
    def step():
        both = torch.cat([latents, latents])
        unconditional, conditional = unet(both, 500, encoder_hidden_states=text).sample.chunk(2)
        return unconditional + GUIDANCE * (conditional - unconditional)

    take_turns(step)


if __name__ == "__main__":
    main()
