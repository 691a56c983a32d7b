"""One guided picture by Python diffusers: timed in turns when warm, or once with --out."""

import argparse

import torch
from diffusers import StableDiffusionPipeline

from turns import take_turns

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a model folder in diffusers layout")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--guidance", type=float, required=True)
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="render once, write the picture there and leave")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))

    pipe = StableDiffusionPipeline.from_pretrained(
        args.model,
        dtype=DTYPES[args.dtype],
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)

    def render():
        return pipe(
            args.prompt,
            num_inference_steps=args.steps,
            guidance_scale=args.guidance,
            width=width,
            height=height,
            generator=torch.Generator("cpu").manual_seed(args.seed),
        ).images[0]

    if args.out:
        render().save(args.out)
    else:
        take_turns(render)


if __name__ == "__main__":
    main()
