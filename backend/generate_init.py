"""img2img's part of the walk: pictures → the latent to start from; and each finished picture back onto what was kept of the first."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from backend.checkpoints.model import Model
from backend.drawing import encode, to_pixels
from backend.images import mask as masks
from backend.images.color import match_colors
from backend.images.resize import FILL, LATENT, Enlarge, resize
from backend.images.soft_mask import changed
from backend.job import GenerateJob, InitOptions, InpaintOptions
from backend.sampling.noise import ImageNoise
from backend.sampling.start import Start

POSTERIOR_SEED = 0x7AE_5EED  # the VAE's draw is the same for every picture and place in a batch; A1111's is by chance


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A picture as it is shown, and what it was made of."""

    image: Image.Image
    uncorrected: Image.Image | None = None
    mask: Image.Image | None = None
    masked: Image.Image | None = None


class Pictures:
    """The pictures that a job starts from, made ready. enlarge: for those that are too small; None = Lanczos."""

    def __init__(self, job: GenerateJob, init: InitOptions, enlarge: Enlarge | None) -> None:
        self._job, self._init, self._enlarge = job, init, enlarge
        self._mask = None if init.inpaint is None else self._latent_mask(init.inpaint)  # L, of the size that is drawn
        self._drawn_mask = self._mask if init.inpaint is None or init.inpaint.latent_mask is None else init.inpaint.latent_mask
        self._shown_mask = None if init.inpaint is None else self._overlay_mask(init.inpaint)
        self._soft_masks: list[Image.Image] = []  # of each finished picture
        self._originals: list[Image.Image] = []  # RGB, what overlays are cut from
        self._overlays: list[Image.Image] = []  # RGBA: what is kept of each picture
        self._images = [self._ready(masks.flattened(image, init.background)) for image in init.images]

    def start(self, model: Model) -> Start:
        job, init = self._job, self._init
        latent = torch.cat([encode(model, to_pixels(image), POSTERIOR_SEED) for image in self._images])
        if init.resize_mode == LATENT:
            latent = F.interpolate(latent, size=(job.height // 8, job.width // 8), mode="bilinear")
        latent = latent.expand(job.batch_size, -1, -1, -1)
        mask = None if self._drawn_mask is None or init.inpaint is None else _latent_sized(self._drawn_mask, latent, init.inpaint.round)
        if mask is not None and init.inpaint is not None and init.inpaint.fill >= 2:
            below = self._noise(model, latent) if init.inpaint.fill == 2 else 0
            latent = latent * (1 - mask) + below * mask
        return Start(
            latent=latent,
            denoising_strength=init.denoising_strength,
            fixed_steps=init.fixed_steps,
            noise_multiplier=init.noise_multiplier,
            extra_noise=init.extra_noise,
            mask=mask,
            soft=init.inpaint.soft if init.inpaint else None,
        )

    def soften(self, start: Start, latent: Tensor) -> None:
        """Has soft inpainting decide what of each picture, (B, 4, h, w), is taken. Before the first is finished."""
        inpaint, job = self._init.inpaint, self._job
        if inpaint is None or inpaint.soft is None or start.mask is None:
            return
        mask = start.mask[0, 0].float().cpu().numpy()
        for difference in torch.linalg.vector_norm(latent - start.latent.to(latent), dim=1).float().cpu().numpy():
            soft = changed(difference, mask, inpaint.soft, job.width, job.height)
            self._soft_masks.append(soft if inpaint.box is None else masks.put_back(soft, self._originals[0].size, inpaint.box).convert("L"))

    def beside(self, model: Model) -> Tensor | None:
        """What a model is told beside the latent, (B, C, h, w); None for those that are told nothing."""
        if model.architecture.inpaint:
            return self._masked(model)
        return self._edited(model) if model.architecture.edit else None

    def _edited(self, model: Model) -> Tensor:
        """For instruct-pix2pix: the pictures, in the VAE's own scale. (B, 4, h, w)"""
        latent = torch.cat([model.encode(to_pixels(image)) for image in self._images]) / model.architecture.latent_scale
        return self._for_batch(latent)

    def _for_batch(self, latent: Tensor) -> Tensor:
        size = (self._job.height // 8, self._job.width // 8)
        latent = latent if latent.shape[-2:] == size else F.interpolate(latent, size=size, mode="bilinear")
        return latent.expand(self._job.batch_size, -1, -1, -1)

    def _masked(self, model: Model) -> Tensor:
        """For inpainting models: the mask, and the picture without what lies under it. (B, 5, h, w)"""
        job, inpaint = self._job, self._init.inpaint
        pixels = torch.cat([to_pixels(image) for image in self._images])
        mask = torch.ones(1, 1, *pixels.shape[-2:])
        if inpaint is not None and self._mask is not None:
            mask = torch.from_numpy(np.asarray(self._mask, np.float32) / 255)[None, None]
            mask = mask.round() if inpaint.round else mask
        weight = 1.0 if inpaint is None else inpaint.condition_weight
        latent = torch.cat([encode(model, one[None], POSTERIOR_SEED) for one in torch.lerp(pixels, pixels * (1 - mask), weight)])
        size = (job.height // 8, job.width // 8)
        if latent.shape[-2:] != size:
            latent = F.interpolate(latent, size=size, mode="bilinear")
        told = torch.cat([F.interpolate(mask, size=size).to(latent).expand(len(latent), -1, -1, -1), latent], dim=1)
        return told.expand(job.batch_size, -1, -1, -1)

    def finish(self, image: Image.Image, index: int) -> Finished:
        """The drawn picture: colours corrected, and laid under what is kept."""
        init, raw = self._init, image
        if init.color_correction:
            image = match_colors(image, self._images[index % len(self._images)])
        drawn = self._placed(image, index)
        shown = self._overlaid(drawn, index)
        uncorrected = self._overlaid(self._placed(raw, index), index) if init.color_correction else None
        mask = self._soft_masks[index] if self._soft_masks else self._shown_mask
        if mask is None or init.inpaint is None or not init.inpaint.with_masks:
            return Finished(image=shown, uncorrected=uncorrected)
        return Finished(image=shown, uncorrected=uncorrected, mask=mask.convert("RGB"), masked=masks.composite(drawn, mask))

    def _latent_mask(self, inpaint: InpaintOptions) -> Image.Image:
        job = self._job
        if inpaint.box is not None:
            return resize(inpaint.mask.crop(inpaint.box), FILL, job.width, job.height)
        return resize(inpaint.mask, self._init.resize_mode, job.width, job.height)

    def _overlay_mask(self, inpaint: InpaintOptions) -> Image.Image:
        return inpaint.mask if inpaint.box is not None or self._mask is None else masks.doubled(self._mask)

    def _ready(self, image: Image.Image) -> Image.Image:
        """RGB → what is encoded."""
        job, init, inpaint = self._job, self._init, self._init.inpaint
        box = None if inpaint is None else inpaint.box
        if box is None and init.resize_mode != LATENT:
            image = resize(image, init.resize_mode, job.width, job.height, self._enlarge)
        if inpaint is None or self._drawn_mask is None or self._shown_mask is None:
            return image
        if self._shown_mask.size != image.size:
            self._shown_mask = resize(self._shown_mask, init.resize_mode, *image.size)
        self._originals.append(image)
        self._overlays.append(masks.without(image, self._shown_mask))
        if box is not None:
            image = resize(image.crop(box), FILL, job.width, job.height, self._enlarge)
        return image if inpaint.fill == 1 else masks.filled(image, resize(self._drawn_mask, init.resize_mode, *image.size))

    def _placed(self, image: Image.Image, index: int) -> Image.Image:
        """In its place in the whole picture, where a part was drawn alone."""
        inpaint = self._init.inpaint
        if inpaint is None or inpaint.box is None or not inpaint.overlay:
            return image
        return masks.put_back(image, self._overlays[index % len(self._overlays)].size, inpaint.box)

    def _overlaid(self, image: Image.Image, index: int) -> Image.Image:
        inpaint = self._init.inpaint
        if inpaint is None or not inpaint.overlay:
            return image
        image = image.convert("RGBA")  # a copy
        image.alpha_composite(self._overlay(index))
        return image.convert("RGB")

    def _overlay(self, index: int) -> Image.Image:
        """RGBA: what is kept of the picture that this one started from."""
        if self._soft_masks:
            return masks.without(self._originals[index % len(self._originals)], self._soft_masks[index])
        return self._overlays[index % len(self._overlays)]

    def _noise(self, model: Model, latent: Tensor) -> Tensor:
        job = self._job
        none = (0,) * job.batch_size
        return ImageNoise(
            (latent.shape[1], latent.shape[2], latent.shape[3]), job.seeds, none, 0.0, (0, 0), job.sampling.noise_source, 0, model.placement.device
        ).first()


def _latent_sized(mask: Image.Image, latent: Tensor, round: bool) -> Tensor:
    """(1, 1, h, w), 1 = draw anew."""
    small = np.asarray(mask.convert("RGB").resize((latent.shape[3], latent.shape[2])), np.float32)[..., 0] / 255
    return torch.from_numpy(np.around(small) if round else small)[None, None].to(latent)
