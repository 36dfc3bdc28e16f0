"""Random LoRA files for tiny-sd1, named as kohya's sd-scripts and LyCORIS name them, and textual inversions. The same bits everywhere."""

import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

CHANNELS, CONTEXT = 64, 768  # tiny-sd1
METADATA = {
    "ss_network_module": "networks.lora",
    "ss_base_model_version": "sd_v1",
    "ss_sd_model_name": "tiny-sd1",
    "ss_v2": "False",
    "ss_network_dim": "8",
    "ss_network_alpha": "4.0",
    "ss_tag_frequency": json.dumps({"10_cat": {"cat": 10, "photo": 5, "whiskers": 3}}),
}
LYCORIS = {"ss_network_module": "lycoris.kohya"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Of the layer that a pair of factors changes; kernel None = linear."""

    out: int
    into: int
    kernel: int | None = None

    @property
    def tail(self) -> tuple[int, ...]:
        return () if self.kernel is None else (self.kernel, self.kernel)

    @property
    def fan(self) -> int:
        return self.into * (1 if self.kernel is None else self.kernel**2)


@dataclass(frozen=True)
class Modules:
    """Every layer of tiny-sd1 that a network file may change, by kohya's name."""

    text: dict[str, Shape] = field(default_factory=dict)
    attention: dict[str, Shape] = field(default_factory=dict)
    convolution: dict[str, Shape] = field(default_factory=dict)
    ends: dict[str, Shape] = field(default_factory=dict)


def modules() -> Modules:
    found = Modules()
    for i in range(12):
        layer = f"lora_te_text_model_encoder_layers_{i}_"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found.text[f"{layer}self_attn_{name}"] = Shape(out=CONTEXT, into=CONTEXT)
        found.text[f"{layer}mlp_fc1"] = Shape(out=4 * CONTEXT, into=CONTEXT)
        found.text[f"{layer}mlp_fc2"] = Shape(out=CONTEXT, into=4 * CONTEXT)
    _unet_modules(found)
    return found


def _unet_modules(found: Modules) -> None:
    multiples, skips, width = (1, 2, 4, 4), [CHANNELS], CHANNELS
    for block, multiple in enumerate(multiples):
        down = f"lora_unet_down_blocks_{block}_"
        for i in range(2):
            _residual(found, f"{down}resnets_{i}", width, multiple * CHANNELS)
            width = multiple * CHANNELS
            skips.append(width)
            if block < 3:
                _transformer(found, f"{down}attentions_{i}", width)
        if block < 3:
            found.convolution[f"{down}downsamplers_0_conv"] = Shape(out=width, into=width, kernel=3)
            skips.append(width)
    _residual(found, "lora_unet_mid_block_resnets_0", width, width)
    _transformer(found, "lora_unet_mid_block_attentions_0", width)
    _residual(found, "lora_unet_mid_block_resnets_1", width, width)
    for block, multiple in enumerate(reversed(multiples)):
        up = f"lora_unet_up_blocks_{block}_"
        for i in range(3):
            _residual(found, f"{up}resnets_{i}", width + skips.pop(), multiple * CHANNELS)
            width = multiple * CHANNELS
            if block > 0:
                _transformer(found, f"{up}attentions_{i}", width)
        if block < 3:
            found.convolution[f"{up}upsamplers_0_conv"] = Shape(out=width, into=width, kernel=3)
    found.ends["lora_unet_conv_in"] = Shape(out=CHANNELS, into=4, kernel=3)
    found.ends["lora_unet_conv_out"] = Shape(out=4, into=CHANNELS, kernel=3)
    found.ends["lora_unet_time_embedding_linear_1"] = Shape(out=4 * CHANNELS, into=CHANNELS)
    found.ends["lora_unet_time_embedding_linear_2"] = Shape(out=4 * CHANNELS, into=4 * CHANNELS)


def _transformer(found: Modules, key: str, width: int) -> None:
    found.attention[f"{key}_proj_in"] = Shape(out=width, into=width, kernel=1)
    block = f"{key}_transformer_blocks_0_"
    for attention, keys_from in (("attn1", width), ("attn2", CONTEXT)):
        for name, into in (("to_q", width), ("to_k", keys_from), ("to_v", keys_from), ("to_out_0", width)):
            found.attention[f"{block}{attention}_{name}"] = Shape(out=width, into=into)
    found.attention[f"{block}ff_net_0_proj"] = Shape(out=8 * width, into=width)
    found.attention[f"{block}ff_net_2"] = Shape(out=width, into=4 * width)
    found.attention[f"{key}_proj_out"] = Shape(out=width, into=width, kernel=1)


def _residual(found: Modules, key: str, into: int, out: int) -> None:
    found.convolution[f"{key}_conv1"] = Shape(out=out, into=into, kernel=3)
    found.convolution[f"{key}_conv2"] = Shape(out=out, into=out, kernel=3)
    found.convolution[f"{key}_time_emb_proj"] = Shape(out=out, into=4 * CHANNELS)
    if into != out:
        found.convolution[f"{key}_conv_shortcut"] = Shape(out=out, into=into, kernel=1)


@dataclass(frozen=True, kw_only=True)
class Lora:
    """One file: W + (alpha / rank) · up · down, with a ΔW about `size` as large as W."""

    name: str
    parts: tuple[str, ...]  # fields of Modules
    dtype: torch.dtype = torch.float32
    rank: int = 8
    alpha: float = 4.0
    size: float = 0.3
    middle: bool = False  # 3 × 3 convolutions as 1 × 1 down, 3 × 3 mid, 1 × 1 up
    writes_alpha: bool = True
    metadata: dict[str, str] | None = field(default_factory=dict)  # beyond METADATA; None = the file has none at all

    def tensors(self) -> dict[str, Tensor]:
        found, result = modules(), {}
        for part in self.parts:
            for key, shape in getattr(found, part).items():
                result.update({name: tensor.to(self.dtype).contiguous() for name, tensor in self._layer(key, shape).items()})
        return result

    def _layer(self, key: str, shape: Shape) -> dict[str, Tensor]:
        up_size = self.size / self.rank**0.5 * (self.rank / self.alpha)
        one = () if shape.kernel is None else (1, 1)
        layer = {}
        if self.middle and shape.kernel == 3:
            layer["lora_down.weight"] = self._randn(f"{key}d", self.rank, shape.into, 1, 1) / shape.into**0.5
            layer["lora_mid.weight"] = self._randn(f"{key}m", self.rank, self.rank, 3, 3) / (self.rank * 9) ** 0.5
        else:
            layer["lora_down.weight"] = self._randn(f"{key}d", self.rank, shape.into, *shape.tail) / shape.fan**0.5
        layer["lora_up.weight"] = self._randn(f"{key}u", shape.out, self.rank, *one) * up_size
        if self.writes_alpha:
            layer["alpha"] = torch.tensor(self.alpha)
        return {f"{key}.{part}": tensor for part, tensor in layer.items()}

    def _randn(self, key: str, *shape: int) -> Tensor:
        return randn(self.name + key, *shape)

    def write(self, folder: Path) -> Path:
        metadata = None if self.metadata is None else {**METADATA, "ss_output_name": self.name, **self.metadata}
        path = folder / f"{self.name}.safetensors"
        write_safetensors(self.tensors(), path, metadata)
        return path


EVERYWHERE = ("text", "attention")
LORAS = (
    Lora(name="lora", parts=EVERYWHERE, dtype=torch.float16),
    Lora(name="lora-b", parts=EVERYWHERE, rank=4, metadata={"ss_output_name": "second_lora"}),
    Lora(name="lora-unet-only", parts=("attention",)),
    Lora(name="lora-noalpha-nometa", parts=("attention",), alpha=8.0, size=0.2, writes_alpha=False, metadata=None),
    Lora(name="locon", parts=(*EVERYWHERE, "convolution", "ends"), dtype=torch.float16, metadata=LYCORIS),
    Lora(name="locon-mid", parts=(*EVERYWHERE, "convolution"), dtype=torch.float16, middle=True, metadata=LYCORIS),
)


def write_embeddings(folder: Path) -> None:
    """A1111's own file, a bare tensor, a diffusers file, and one that fills a whole chunk."""
    a1111 = {"string_to_token": {"*": 265}, "name": "ti-pt", "step": 500, "sd_checkpoint": "ecbf2ab887", "sd_checkpoint_name": "tiny-sd1"}
    untold = {"string_to_token": {"*": 265}, "name": "ti-long75", "step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
    write_pickle(_with_vectors(a1111, "ti-pt", 4), folder / "ti-pt.pt")
    write_safetensors({"emb_params": randn("ti-st", 2, CONTEXT) * 0.08}, folder / "ti-st.safetensors", None)
    write_pickle({"<diffusers-cat>": randn("ti-bin", CONTEXT) * 0.08}, folder / "ti-bin.bin")
    write_pickle(_with_vectors(untold, "ti-neg", 75), folder / "ti-long75.pt")


def _with_vectors(about: dict[str, object], seed_name: str, count: int) -> dict[str, object]:
    vectors = {"*": randn(seed_name, count, CONTEXT) * 0.08}
    (first, value), *rest = about.items()
    return {first: value, "string_to_param": vectors, **dict(rest)}  # the order is part of the bits


def randn(name: str, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed((zlib.crc32(name.encode()) ^ 77) & 0x7FFFFFFF)
    return torch.randn(shape, generator=generator)


def write_safetensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None) -> None:
    """With the metadata sorted: safetensors writes it in random order."""
    data = safetensors.torch.save(tensors, metadata)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def write_pickle(value: object, path: Path) -> None:
    """torch.save without the records that torch 2.6 and later add: files in the wild have none, and A1111 refuses them."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    source = zipfile.ZipFile(buffer)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            record = name.split("/", 1)[1]
            if re.fullmatch(r"data/\d+|version|byteorder|data\.pkl", record):
                target.writestr(zipfile.ZipInfo(f"{path.stem}/{record}", (1980, 1, 1, 0, 0, 0)), source.read(name))
