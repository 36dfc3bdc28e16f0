"""What a checkpoint is: family, widths, heads, layers, prediction; read off tensor names and shapes, the file's markers, and a .yaml beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from backend.checkpoints.diagnosis import explain_unknown
from backend.checkpoints.weight_file import WeightFile
from backend.errors import WebUIError

UNET, VAE = "model.diffusion_model.", "first_stage_model."
SD1, SD2, SDXL, REFINER = "SD1", "SD2", "SDXL", "SDXL Refiner"
HEAD_WIDTH = 64  # of SD2, SDXL and all their text encoders; SD1's U-Net has 8 heads at every width instead
SD1_HEADS = 8
LATENT_SCALE: Mapping[str, float] = {SD1: 0.18215, SD2: 0.18215, SDXL: 0.13025, REFINER: 0.13025}  # 1 / standard deviation of the latents in training
UNSAID = ""  # SD2 came in both kinds without a marker: its U-Net is asked once it is loaded
PLAIN, EDIT, INPAINT = 4, 8, 9  # input channels of a U-Net: its latent, and perhaps a picture's, or a mask and a masked picture's

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class UNetShape:
    """One entry per level, the widest picture first."""

    channels: tuple[int, ...]
    depth: tuple[int, ...]  # transformer blocks per attention; 0 = no attention at this level
    heads: tuple[int, ...]
    mid_depth: int
    layers: int  # resnets per level on the way down
    in_channels: int
    context_width: int
    vector_width: int  # 0 = no vector
    linear_projection: bool


@dataclass(frozen=True, kw_only=True)
class VaeShape:
    channels: tuple[int, ...]
    layers: int
    latent_channels: int


@dataclass(frozen=True, kw_only=True)
class TextShape:
    """One CLIP text encoder and where it lies in the file."""

    prefix: str  # of the tensor names
    openclip: bool  # OpenCLIP's names and stacked q, k, v
    width: int
    layers: int
    mlp_width: int
    vocabulary: int
    tokens: int
    projection: int  # width of the pooled vector; 0 = no projection
    activation: str

    @property
    def heads(self) -> int:
        return max(1, self.width // HEAD_WIDTH)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All but the weights."""

    family: str  # "SD1", "SD2", "SDXL" or "SDXL Refiner"
    inpaint: bool  # the U-Net takes mask and masked picture besides the latent
    edit: bool  # instruct-pix2pix: it takes the picture that is to be edited
    prediction: str  # "epsilon" or "v"; UNSAID only while loading
    zero_snr: bool  # trained with zero terminal SNR
    latent_scale: float
    unet: UNetShape
    vae: VaeShape
    text: tuple[TextShape, ...]

    @property
    def latent_channels(self) -> int:
        return self.vae.latent_channels

    @property
    def context_width(self) -> int:
        return self.unet.context_width

    @property
    def vector_width(self) -> int:
        return self.unet.vector_width


@dataclass(frozen=True, kw_only=True)
class Markers:
    """What names and shapes cannot say; None = nothing is said."""

    prediction: str | None = None
    zero_snr: bool = False
    heads: int | None = None
    head_width: int | None = None


def read_architecture(file: WeightFile, vae: WeightFile | None) -> Architecture:
    """vae: the file whose VAE is used instead of the checkpoint's own. Raises WebUIError for whatever is no complete SD checkpoint."""
    shapes = file.shapes
    if f"{UNET}input_blocks.0.0.weight" not in shapes:
        raise WebUIError(explain_unknown(file.path.name, shapes))
    markers = read_markers(file)
    text = _text_shapes(file.path.name, shapes)
    family = _family(shapes, text)
    unet = unet_shape(file.path.name, shapes, family, markers)
    return Architecture(
        family=family,
        inpaint=unet.in_channels == INPAINT,
        edit=unet.in_channels == EDIT,
        prediction=markers.prediction or (UNSAID if family == SD2 and unet.in_channels == PLAIN else "epsilon"),
        zero_snr=markers.zero_snr,
        latent_scale=LATENT_SCALE[family],
        unet=unet,
        vae=vae_shape(vae or file, missing=_no_vae(file.path)),
        text=tuple(text),
    )


# --------------------------------------------------------------------------- markers


def read_markers(file: WeightFile) -> Markers:
    """The file's own markers win over the .yaml beside it."""
    beside = _yaml_markers(file.path.with_suffix(".yaml"))
    said = file.metadata.get("modelspec.prediction_type", "").lower()
    prediction = "v" if "v_pred" in file.shapes or said.startswith("v") else "epsilon" if said.startswith("eps") else beside.prediction
    return Markers(prediction=prediction, zero_snr="ztsnr" in file.shapes or beside.zero_snr, heads=beside.heads, head_width=beside.head_width)


def _yaml_markers(path: Path) -> Markers:
    if not path.is_file():
        return Markers()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        params = content["model"]["params"]
        unet = (params.get("unet_config") or params.get("network_config") or {}).get("params") or {}
        scaling = (((params.get("denoiser_config") or {}).get("params") or {}).get("scaling_config") or {}).get("target", "")
        v = params.get("parameterization") == "v" or str(scaling).endswith("VScaling")
        zero_snr = any(params.get(name) for name in ("ztsnr", "zero_snr", "zero_terminal_snr", "rescale_betas_zero_snr"))
        return Markers(prediction="v" if v else "epsilon", zero_snr=zero_snr, heads=_number(unet, "num_heads"), head_width=_number(unet, "num_head_channels"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError, TypeError, KeyError, AttributeError) as error:
        raise WebUIError(f"{path.name} beside the checkpoint is no model configuration: mend it or remove it.") from error


def _number(params: Mapping[str, object], name: str) -> int | None:
    value = params.get(name)
    return value if isinstance(value, int) and value > 0 else None


# --------------------------------------------------------------------------- U-Net


def _family(shapes: Shapes, text: list[TextShape]) -> str:
    if f"{UNET}label_emb.0.0.weight" in shapes:
        return SDXL if len(text) == 2 else REFINER
    context = next((shape[1] for key, shape in shapes.items() if key.startswith(UNET) and key.endswith("attn2.to_k.weight")), 0)
    linear = len(shapes.get(f"{UNET}input_blocks.1.1.proj_in.weight", ())) == 2
    return SD2 if text[0].openclip or context == 1024 or (linear and context != 768) else SD1


def unet_shape(name: str, shapes: Shapes, family: str, markers: Markers) -> UNetShape:
    """Walks down the input blocks: a resnet each, perhaps transformers behind it, and a downsampler at the end of a level."""
    in_channels = shapes[f"{UNET}input_blocks.0.0.weight"][1]
    if in_channels not in (PLAIN, EDIT, INPAINT):
        raise WebUIError(f"{name} takes {in_channels} input channels: only plain (4), instruct-pix2pix (8) and inpainting (9) checkpoints are supported.")
    levels: list[list[tuple[int, int]]] = [[]]  # per resnet: width, transformer blocks
    n = 1
    while f"{UNET}input_blocks.{n}.0.in_layers.0.weight" in shapes or f"{UNET}input_blocks.{n}.0.op.weight" in shapes:
        width = shapes.get(f"{UNET}input_blocks.{n}.0.out_layers.3.weight")
        if width is None:
            levels.append([])
        else:
            levels[-1].append((width[0], _count(shapes, f"{UNET}input_blocks.{n}.1.transformer_blocks.", ".norm1.weight")))
        n += 1
    mid_depth = _count(shapes, f"{UNET}middle_block.1.transformer_blocks.", ".norm1.weight")
    uneven = any(len(set(level)) != 1 or len(level) != len(levels[0]) for level in levels)
    depth = tuple(level[0][1] if level else 0 for level in levels)
    if uneven or not mid_depth or depth[-1] not in (0, mid_depth) or not any(depth):
        raise WebUIError(f"{name} has a U-Net of an unknown layout: only SD 1.x, SD 2.x and SDXL are supported.")
    channels = tuple(level[0][0] for level in levels)
    context = next(shape[1] for key, shape in shapes.items() if key.startswith(UNET) and key.endswith("attn2.to_k.weight"))
    return UNetShape(
        channels=channels,
        depth=depth,
        heads=tuple(_heads(width, family, markers) for width in channels),
        mid_depth=mid_depth,
        layers=len(levels[0]),
        in_channels=in_channels,
        context_width=context,
        vector_width=shapes.get(f"{UNET}label_emb.0.0.weight", (0, 0))[1],
        linear_projection=len(shapes[f"{UNET}middle_block.1.proj_in.weight"]) == 2,
    )


def _heads(width: int, family: str, markers: Markers) -> int:
    if markers.head_width:
        return max(1, width // markers.head_width)
    return markers.heads or (SD1_HEADS if family == SD1 else max(1, width // HEAD_WIDTH))


def _count(shapes: Shapes, start: str, end: str) -> int:
    n = 0
    while f"{start}{n}{end}" in shapes:
        n += 1
    return n


# --------------------------------------------------------------------------- VAE and text encoders


def vae_prefix(shapes: Shapes) -> str | None:
    """ "first_stage_model." in a checkpoint, "" in a VAE's own file; None = no VAE in it."""
    return next((prefix for prefix in (VAE, "") if f"{prefix}decoder.conv_in.weight" in shapes), None)


def vae_shape(file: WeightFile, *, missing: str = "") -> VaeShape:
    """From CompVis names or diffusers' names. missing: what to say if there is none."""
    shapes, prefix = file.shapes, vae_prefix(file.shapes)
    if prefix is None or f"{prefix}encoder.conv_in.weight" not in shapes:
        raise WebUIError(missing or f"{file.path.name} is no VAE that this program knows: choose another one in SD VAE.")
    start = f"{prefix}encoder."
    block, conv = ("down_blocks.{}.resnets.", ".conv1.weight") if is_diffusers_vae(shapes) else ("down.{}.block.", ".conv1.weight")
    channels, layers, level = [], 0, 0
    while (count := _count(shapes, start + block.format(level), conv)) > 0:
        channels.append(shapes[f"{start}{block.format(level)}0{conv}"][0])
        layers, level = count, level + 1
    if not channels:
        raise WebUIError(f"{file.path.name} holds a VAE of an unknown layout: choose another one in SD VAE.")
    return VaeShape(channels=tuple(channels), layers=layers, latent_channels=shapes[f"{prefix}decoder.conv_in.weight"][1])


def is_diffusers_vae(shapes: Shapes) -> bool:
    return any(key.startswith("decoder.up_blocks.") for key in shapes)


def _no_vae(path: Path) -> str:
    return f"{path.name} contains no VAE: choose one in SD VAE, or put {path.stem}.vae.safetensors beside it."


def _text_shapes(name: str, shapes: Shapes) -> list[TextShape]:
    """In the order in which their vectors are put side by side."""
    places = ("cond_stage_model.", "conditioner.embedders.0.", "conditioner.embedders.1.")
    found = [shape for place in places if (shape := _text_shape(shapes, place)) is not None]
    if not found:
        raise WebUIError(f"{name} contains no text encoder: it is a part of a model only; get the full checkpoint.")
    return found


def _text_shape(shapes: Shapes, place: str) -> TextShape | None:
    for inner in ("transformer.text_model.", "transformer."):
        prefix = place + inner
        if f"{prefix}embeddings.token_embedding.weight" in shapes:
            return _hf_shape(shapes, prefix, pooled=place.endswith("1."))
    prefix = f"{place}model."
    return _openclip_shape(shapes, prefix, pooled=place.startswith("conditioner")) if f"{prefix}token_embedding.weight" in shapes else None


def _hf_shape(shapes: Shapes, prefix: str, *, pooled: bool) -> TextShape:
    vocabulary, width = shapes[f"{prefix}embeddings.token_embedding.weight"]
    projection = shapes.get(f"{prefix.removesuffix('text_model.')}text_projection.weight", (0, 0))[0] if pooled else 0
    layers = _count(shapes, f"{prefix}encoder.layers.", ".layer_norm1.weight")
    return TextShape(
        prefix=prefix,
        openclip=False,
        width=width,
        layers=layers,
        mlp_width=shapes.get(f"{prefix}encoder.layers.0.mlp.fc1.weight", (4 * width,))[0],
        vocabulary=vocabulary,
        tokens=shapes.get(f"{prefix}embeddings.position_embedding.weight", (77,))[0],
        projection=projection,
        activation="gelu" if pooled or width == 1024 else "quick_gelu",  # 1024: OpenCLIP-H of SD2 in transformers' layout
    )


def _openclip_shape(shapes: Shapes, prefix: str, *, pooled: bool) -> TextShape:
    vocabulary, width = shapes[f"{prefix}token_embedding.weight"]
    return TextShape(
        prefix=prefix,
        openclip=True,
        width=width,
        layers=_count(shapes, f"{prefix}transformer.resblocks.", ".ln_1.weight"),
        mlp_width=shapes.get(f"{prefix}transformer.resblocks.0.mlp.c_fc.weight", (4 * width,))[0],
        vocabulary=vocabulary,
        tokens=shapes.get(f"{prefix}positional_embedding", (77,))[0],
        projection=shapes.get(f"{prefix}text_projection", (0, 0))[1] if pooled else 0,
        activation="gelu",
    )
