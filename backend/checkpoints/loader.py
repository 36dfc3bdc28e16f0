"""A checkpoint file → a Model, in two steps: everything that can be wrong is found before any weight is read or any memory is taken."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from backend.checkpoints.architecture import UNSAID, Architecture, read_architecture, vae_shape
from backend.checkpoints.model import Model
from backend.checkpoints.parts import Part, text_part, unet_part, vae_part
from backend.checkpoints.placement import Placement
from backend.checkpoints.weight_file import WeightFile, open_weights
from backend.job import ModelOptions

log = logging.getLogger(__name__)

TIMESTEPS = 1000
LINEAR_START, LINEAR_END = 0.00085, 0.012  # of the betas' square roots, all Stable Diffusion models


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A checkpoint that was found to be complete, not yet in memory."""

    file: WeightFile
    architecture: Architecture
    placement: Placement
    parts: dict[str, Part]
    vae: Part

    def fill(self) -> Model:
        """Reads the weights."""
        place = self.placement
        device = place.device if place.offload == "none" else torch.device("cpu")
        for name, part in self.parts.items():
            if name == "unet":
                part.fill(device, place.unet_dtype, channels_last=place.channels_last)
            else:
                part.fill(device, place.text_dtype)
        self.vae.fill(device, place.vae_dtype)
        alphas = _alphas_cumprod(self.file)
        self.file.release()
        self.vae.file.release()
        model = Model(self.file.path, self.architecture, place, self.parts, self.vae, alphas)
        if self.architecture.prediction == UNSAID:
            model.architecture = replace(self.architecture, prediction=_ask_prediction(model))
        log.info("%s: %s, %s-prediction; %s", self.file.path.name, self.architecture.family, model.architecture.prediction, place.describe())
        return model


def load(path: Path, vae_path: Path | None, placement: Placement, options: ModelOptions) -> Model:
    """Open, fill, and set the options. Raises WebUIError for a file that cannot be used."""
    model = open_checkpoint(path, vae_path, placement.with_unet_dtype(options.unet_dtype)).fill()
    model.set_options(options)
    return model


def open_checkpoint(path: Path, vae_path: Path | None, placement: Placement) -> Draft:
    """vae_path None: the VAE in the file itself. Raises WebUIError as load()."""
    file = open_weights(path)
    vae_file = open_weights(vae_path) if vae_path else None
    architecture = read_architecture(file, vae_file)
    parts = {"unet": unet_part(file, architecture.unet)}
    for n, shape in enumerate(architecture.text):
        parts[f"text_encoders.{n}"] = text_part(file, shape)
    vae = vae_part(vae_file or file, architecture.vae)
    for part in (*parts.values(), vae):
        part.check()
    return Draft(file=file, architecture=architecture, placement=placement, parts=parts, vae=vae)


def open_vae(path: Path) -> Part:
    """A VAE's own file, or the VAE of a checkpoint; checked, not yet in memory."""
    file = open_weights(path)
    part = vae_part(file, vae_shape(file))
    part.check()
    return part


def _alphas_cumprod(file: WeightFile) -> Tensor:
    """The file's own table, else as ldm computes it: in float64, rounded once at the end."""
    if file.shapes.get("alphas_cumprod") == (TIMESTEPS,):
        return file.tensor("alphas_cumprod").to(torch.float32, copy=True)
    betas = torch.linspace(LINEAR_START**0.5, LINEAR_END**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


@torch.no_grad()
def _ask_prediction(model: Model) -> str:
    """At t = 999 the input is all but pure noise: a model that predicts ε gives it back, one that predicts v gives something far below it.
    The probe and the bound are A1111's, so that the same files count as v."""
    x = torch.full((1, 4, 8, 8), 0.5)
    cross = torch.full((1, 2, model.architecture.context_width), 0.5)
    difference = (model.predict(x, torch.tensor([999.0]), cross) - x.to(model.placement.device)).mean().item()
    return "v" if difference < -1 else "epsilon"
