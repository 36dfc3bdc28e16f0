"""A few modules under the names of diffusers and transformers, as a model to patch; and LoRA files for them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backend.errors import WebUIError
from backend.job import FileRef, NetworkRef
from backend.networks.deltas import read_deltas
from backend.networks.parts import Parts
from backend.networks.patch import Patcher

Layers = Mapping[str, nn.Module]
BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
CONV_IN, TO_Q, FC1 = "lora_unet_conv_in", "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", "lora_te_text_model_encoder_layers_0_mlp_fc1"
# Kohya's name in the file → component and path
NAMES: Mapping[str, tuple[str, str]] = {
    "lora_unet_conv_in": ("unet", "conv_in"),
    "lora_unet_down_blocks_0_attentions_0_proj_in": ("unet", "down_blocks.0.attentions.0.proj_in"),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": ("unet", f"{BLOCK}.attn1.to_q"),
    "lora_unet_down_blocks_0_resnets_0_conv1": ("unet", "down_blocks.0.resnets.0.conv1"),
    "lora_te_text_model_encoder_layers_0_mlp_fc1": ("text_encoders.0", "encoder.layers.0.mlp.fc1"),
}


def unet_layers(inputs: int = 4) -> Layers:
    return {
        "conv_in": nn.Conv2d(inputs, 6, 3),
        "down_blocks.0.attentions.0.norm": nn.GroupNorm(2, 6),
        "down_blocks.0.attentions.0.proj_in": nn.Conv2d(6, 8, 1),
        f"{BLOCK}.attn1.to_q": nn.Linear(8, 10, bias=False),
        f"{BLOCK}.norm1": nn.LayerNorm(8),
        "down_blocks.0.resnets.0.conv1": nn.Conv2d(6, 12, 3),
    }


def text_layers(prefix: str = "") -> Layers:
    return {f"{prefix}embeddings.token_embedding": nn.Embedding(11, 6), f"{prefix}encoder.layers.0.mlp.fc1": nn.Linear(6, 9)}


class SmallModel:
    """Keeps copies of its weights; `fail_at`: how often as_loaded() goes well before it fails once."""

    def __init__(self, dtype: torch.dtype = torch.float32, *, inputs: int = 4, text: tuple[Layers, ...] | None = None, channels_last: bool = False) -> None:
        torch.manual_seed(0)
        encoders = (text_layers(),) if text is None else text
        self.layers = {"unet": unet_layers(inputs), **{f"text_encoders.{n}": layers for n, layers in enumerate(encoders)}}
        for name, weight in self.weights().items():
            layout = torch.channels_last if channels_last and weight.ndim == 4 else torch.contiguous_format
            module, leaf = self._place(name)
            setattr(module, leaf, nn.Parameter(weight.to(dtype, memory_format=layout), requires_grad=False))
        self.loaded = {name: weight.clone(memory_format=torch.preserve_format) for name, weight in self.weights().items()}
        self.fail_at: int | None = None
        self.failure: Exception = WebUIError("the checkpoint was overwritten")

    def named_modules(self) -> Mapping[str, Layers]:
        return {component: {"": nn.Module(), **layers} for component, layers in self.layers.items()}

    def as_loaded(self, parameter_name: str, /) -> Tensor:
        if self.fail_at is not None:
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail_at = None  # only once
                raise self.failure
        return self.loaded[parameter_name]

    def weights(self) -> dict[str, Tensor]:
        """And biases."""
        modules = [(f"{component}.{path}", module) for component, layers in self.layers.items() for path, module in layers.items()]
        return {f"{place}.{leaf}": parameter.detach() for place, module in modules for leaf, parameter in module.named_parameters()}

    def weight(self, name: str) -> Tensor:
        """name: in the file."""
        component, path = NAMES[name]
        return self.weights()[f"{component}.{path}.weight"]

    def is_pristine(self) -> bool:
        return all(torch.equal(weight.view(torch.uint8), self.loaded[name].view(torch.uint8)) for name, weight in self.weights().items())

    def _place(self, name: str) -> tuple[nn.Module, str]:
        component = next(component for component in self.layers if name.startswith(f"{component}."))
        path, _, leaf = name.removeprefix(f"{component}.").rpartition(".")
        return self.layers[component][path], leaf


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.3


def lora_parts(shape: tuple[int, ...], *, rank: int = 2, alpha: float | None = 1.0, seed: int = 0) -> dict[str, Tensor]:
    """Parts of one module for a weight of this shape, as kohya writes them."""
    kernel = shape[2:]
    parts = {"lora_up.weight": random(seed, shape[0], rank, *[1 for _ in kernel]), "lora_down.weight": random(seed + 1, rank, shape[1], *kernel)}
    return parts if alpha is None else {**parts, "alpha": torch.tensor(alpha)}


def write_lora(path: Path, modules: Mapping[str, Mapping[str, Tensor]], *, dtype: torch.dtype = torch.float32) -> Path:
    tensors = {f"{module}.{part}": tensor.to(dtype) for module, parts in modules.items() for part, tensor in parts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    return path


def whole_lora(path: Path, *, seed: int = 0, rank: int = 2, alpha: float | None = 1.0) -> Path:
    """For every module of SmallModel that a LoRA may change."""
    model = SmallModel()
    return write_lora(path, {name: lora_parts(tuple(model.weight(name).shape), seed=seed + 10 * n, rank=rank, alpha=alpha) for n, name in enumerate(NAMES)})


def ref(path: Path, te: float = 1.0, unet: float | None = None, dyn: int | None = None) -> tuple[NetworkRef, Path]:
    return NetworkRef(file=FileRef(name=path.name), label=path.stem, te_weight=te, unet_weight=te if unet is None else unet, dyn=dyn), path


def change(parts: Parts, weight: Tensor, multiplier: float = 1.0, *, leaf: str = "weight", dyn: int | None = None) -> Tensor:
    """What a module of a file does to a parameter, float64; that it fits is asserted."""
    deltas = read_deltas(parts)
    assert deltas is not None, "of no kind that is known"
    shape = tuple(weight.shape)
    assert deltas[leaf].fits(shape), "does not fit"
    assert deltas[leaf].is_finite()
    changed = weight.clone().view(shape[0], -1)
    deltas[leaf].add_to(changed, multiplier, shape, dyn=dyn)
    return changed.view(shape).double() - weight.double()


def assert_exact(value: Tensor, formula: Tensor, weight: Tensor) -> None:
    """To 1e-6 of the largest number involved: what a change of a weight in float32 can be told to."""
    largest = max(float(formula.abs().max()), float(weight.abs().max()))
    torch.testing.assert_close(value, formula.reshape(value.shape), rtol=0, atol=largest * 1e-6)


def fits(parts: Parts, shape: tuple[int, ...], leaf: str = "weight") -> bool:
    deltas = read_deltas(parts)
    return deltas is not None and leaf in deltas and deltas[leaf].fits(shape)


def product(path: Path, name: str) -> Tensor:
    """up @ down · alpha / rank in float64."""
    tensors = {key.removeprefix(f"{name}."): tensor.double() for key, tensor in load(path).items() if key.startswith(f"{name}.")}
    up, down = tensors["lora_up.weight"].flatten(1), tensors["lora_down.weight"].flatten(1)
    return up @ down * float(tensors.get("alpha", torch.tensor(float(len(down))))) / len(down)


def load(path: Path) -> dict[str, Tensor]:
    return load_file(path)


def bits(model: SmallModel) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in model.weights().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def fresh(dtype: torch.dtype, *networks: tuple[NetworkRef, Path]) -> dict[str, Tensor]:
    """The weights of a model that never had anything else applied."""
    model = SmallModel(dtype)
    Patcher(model).become(networks)
    return bits(model)
