"""Draw the same pictures twice, from our modules and through diffusers' from_single_file, and tell how far apart they are."""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from transformers import CLIPTokenizer

from tools.demo_model.convert import from_compvis
from tools.demo_model.text import CLIP, SPECIAL

PROMPTS = ("red apple", "cat face", "a blue heart", "pizza on green background")
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def draw(pipeline: StableDiffusionPipeline) -> np.ndarray:
    generators = [torch.Generator().manual_seed(i) for i in range(len(PROMPTS))]
    size = {"height": 128, "width": 128, "num_inference_steps": 20, "guidance_scale": 5.0}
    return pipeline(list(PROMPTS), generator=generators, output_type="np", **size).images


def pipeline_of(checkpoint: Path) -> StableDiffusionPipeline:
    unet, vae, encoder = from_compvis(checkpoint)
    tokenizer = CLIPTokenizer.from_pretrained(str(tokenizer_folder(Path(tempfile.mkdtemp()))))
    scheduler = DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction")
    nothing = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(vae=vae, text_encoder=encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler, **nothing)


def tokenizer_folder(folder: Path) -> Path:
    for name in ("vocab.json", "merges.txt"):
        (folder / name).write_bytes((CLIP / name).read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **SPECIAL}))
    return folder


def main(checkpoint: Path) -> None:
    ours = pipeline_of(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder, safe_serialization=True)
        theirs = StableDiffusionPipeline.from_single_file(str(checkpoint), config=folder, local_files_only=True)
    print("largest difference:", float(np.abs(draw(ours) - draw(theirs)).max()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    main(parser.parse_args().checkpoint)
