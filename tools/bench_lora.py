"""How long a LoRA takes to come, change and go, beside what the machine could do at best, and beside diffusers and peft.

    OMP_NUM_THREADS=1 python tools/bench_lora.py [--families SD1.5 SDXL] [--ranks 8 32 128] [--dtypes float32 bfloat16 float16]

Random weights of the real shapes, mapped from a temporary file in --file-dtype. One thread, CPU time, best of several.
The limit of applying: the touched weights read and written once, plus the rank-r products; of removing: one copy out of the file's precision.
Both are measured in the same run, beside what they are compared with. A busy machine stretches everything, each thing otherwise: run it alone.

peft and diffusers' fuse_lora are measured on the U-Net alone, against its limit, if peft is there.
It is no part of the program; put it into a folder of its own:

    pip install --no-deps --target /tmp/peft peft accelerate
    PYTHONPATH=/tmp/peft OMP_NUM_THREADS=1 python tools/bench_lora.py

SDXL needs 5 GB in half precision. In float32 a part of its U-Net is measured (PARTS), without peft.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.checkpoints.weight_file import DTYPES as FILE_DTYPES
from backend.checkpoints.weight_file import SafetensorsFile
from backend.job import FileRef, NetworkRef
from backend.networks.network_file import FileIdentity, NetworkFile, NetworkFiles
from backend.networks.patch import Patcher, Wanted

ROUNDS = 5
COPIED_AT_ONCE = 1 << 29  # bytes
DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PARTS = ("down_blocks.2.", "mid_block.")  # of SDXL's U-Net in float32: 30 of its 70 transformer blocks
LATENT = 24  # a side; 192 pixels
SD15: Mapping[str, Any] = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768, "attention_head_dim": 8}
SDXL: Mapping[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@dataclass(frozen=True)
class Place:
    """A weight that a LoRA changes."""

    component: str
    path: str
    name: str  # in kohya's file
    weight: Tensor


class RandomModel:
    """What a Patcher needs, and a U-Net that can be called."""

    def __init__(self, family: str, dtype: torch.dtype, file_dtype: torch.dtype, folder: Path) -> None:
        self.parts = PARTS if family == "SDXL" and dtype == torch.float32 else ("",)
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(**(SDXL if family == "SDXL" else SD15))
            self.text = CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12))
        self.whole = self.parts == ("",)
        self._fill(self.unet, dtype, lambda name: name.startswith(self.parts))
        if family == "SD1.5":
            self._fill(self.text, torch.float32, lambda name: True)
        self.places = self._places(text=family == "SD1.5")
        self.file_dtype = file_dtype
        path = folder / f"{family} {dtype} {file_dtype}.safetensors".replace("torch.", "")
        write_weights({f"{place.component}.{place.path}.weight": place.weight for place in self.places}, file_dtype, path)
        self._file = SafetensorsFile(path)
        path.unlink()  # the mapping keeps it

    @staticmethod
    def _fill(module: nn.Module, dtype: torch.dtype, wanted: Callable[[str], bool]) -> None:
        noise = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0)) * 0.03
        for name, empty in list(module.named_parameters()):
            owner = module.get_submodule(name.rpartition(".")[0])
            if wanted(name):
                value = noise.repeat(-(-empty.numel() // len(noise)))[: empty.numel()].view(empty.shape).to(dtype)
                owner._parameters[name.rpartition(".")[2]] = nn.Parameter(value, requires_grad=False)
        module.requires_grad_(False).eval()

    def _places(self, *, text: bool) -> list[Place]:
        """What kohya's default trains: linear layers and 1×1 kernels of the U-Net's transformers, and the text encoder's linear layers."""
        found = []
        for component, prefix, module in (("unet", "lora_unet_", self.unet), ("text_encoders.0", "lora_te_text_model_", self.text)):
            for path, layer in module.named_modules():
                inside = (".attentions." in path and path.startswith(self.parts)) if component == "unet" else (text and ".layers." in path)
                if inside and isinstance(layer, nn.Linear | nn.Conv2d):
                    found.append(Place(component, path, prefix + path.removeprefix("text_model.").replace(".", "_"), layer.weight.detach()))
        return found

    def named_modules(self) -> Mapping[str, Mapping[str, nn.Module]]:
        return {"unet": dict(self.unet.named_modules()), "text_encoders.0": dict(self.text.named_modules())}

    def as_loaded(self, parameter_name: str, /) -> Tensor:
        return self._file.tensor(parameter_name)

    def step(self) -> None:
        """One call of the U-Net, one picture."""
        dtype = self.unet.dtype
        with torch.inference_mode():
            self.unet(torch.zeros(1, 4, LATENT, LATENT, dtype=dtype), torch.tensor([500]), torch.zeros(1, 77, 768, dtype=dtype))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=["SD1.5", "SDXL"], choices=["SD1.5", "SDXL"])
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], choices=list(DTYPES))
    parser.add_argument("--file-dtype", default="float16", choices=list(DTYPES))
    parser.add_argument("--no-step", action="store_true", help="leave the calls of the U-Net out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    has_peft = importlib.util.find_spec("peft") is not None
    if not has_peft:
        print("peft is not installed: its columns and diffusers' are left out (see --help).")
    with TemporaryDirectory() as folder, torch.no_grad():
        for family in options.families:
            for dtype in options.dtypes:
                model = RandomModel(family, DTYPES[dtype], DTYPES[options.file_dtype], Path(folder))
                for rank in options.ranks:
                    path = write_lora(model.places, rank, Path(folder) / "lora.safetensors")
                    measure(model, f"{family}, {dtype}, rank {rank}", rank, path, step=family == "SD1.5" and not options.no_step)
                    if has_peft and model.whole:
                        measure_others(model, rank, step=family == "SD1.5" and not options.no_step)
                del model


def measure(model: RandomModel, title: str, rank: int, path: Path, *, step: bool) -> None:
    patcher, weights = Patcher(model), [place.weight for place in model.places]

    def become(weight: float) -> float:
        return seconds(lambda: patcher.become([(reference(path, weight), path)]))

    def remove() -> float:
        return seconds(lambda: patcher.become([]))

    first = become(1.0)
    rounds = [
        (traffic_and_products(weights, rank), become(1 - n / 20), remove(), copy_seconds(weights, model.file_dtype), become(1.0)) for n in range(1, ROUNDS)
    ]
    traffic, products = min(row[0][0] for row in rounds), min(row[0][1] for row in rounds)
    limit, copy = traffic + products, min(row[3] for row in rounds)
    part = "" if model.whole else f", {' and '.join(part.strip('.') for part in model.parts)} alone"
    print(f"{title}: {len(weights)} weights{part}, file in {model.file_dtype}".replace("torch.", ""))
    print(f"    limit {limit * 1e3:.0f} ms = {traffic * 1e3:.0f} traffic + {products * 1e3:.0f} products; copy {copy * 1e3:.0f} ms")
    row("weight change", min(found[1] for found in rounds), limit)
    row("new LoRA, file open", min(found[4] for found in rounds), limit)
    row("first use", first, limit)
    row("removal", min(found[2] for found in rounds), copy, "a copy")
    print(f"    {'same set again':28} {min(become(1.0) for _ in range(20)) * 1e6:7.0f} µs")
    print(f"    {'parse, map and plan':28} {min(plan_seconds(model, path) for _ in range(ROUNDS)) * 1e3:7.1f} ms")
    print(f"    {'look for NaN':28} {min(nan_seconds(path) for _ in range(ROUNDS)) * 1e3:7.1f} ms, once a file")
    patched = best(model.step) if step else 0.0
    remove()
    if step:
        row("step, LoRA applied", patched, best(model.step), "a step without")


def measure_others(model: RandomModel, rank: int, *, step: bool) -> None:
    """diffusers' loader makes peft's layers; both ways of merging, and the call without merging."""
    base_layer: Any = importlib.import_module("peft.tuners.tuners_utils").BaseTunerLayer
    places = [place for place in model.places if place.component == "unet"]
    limit = sum(min(traffic_and_products([place.weight for place in places], rank) for _ in range(2)))
    before = best(model.step) if step else 0.0
    state = {}
    for place in places:
        up, down = factors(place.weight, rank)
        state |= {f"{place.path}.lora_A.weight": down, f"{place.path}.lora_B.weight": up}
    unet: Any = model.unet  # diffusers' types know no prefix of None
    unet.load_lora_adapter(state, prefix=None, adapter_name="bench")
    if step:
        row("step, adapter not merged", best(model.step), before, "a step without")
    layers: list[Any] = [layer for layer in unet.modules() if isinstance(layer, base_layer)]
    assert len(layers) == len(places)
    pairs = [(seconds(lambda: [layer.merge() for layer in layers]), seconds(lambda: [layer.unmerge() for layer in layers])) for _ in range(2)]
    fused = [(seconds(lambda: unet.fuse_lora()), seconds(lambda: unet.unfuse_lora())) for _ in range(2)]
    row("peft's merge, U-Net", min(pair[0] for pair in pairs), limit)
    row("peft's unmerge", min(pair[1] for pair in pairs), limit)
    row("diffusers' fuse_lora, U-Net", min(pair[0] for pair in fused), limit)
    row("diffusers' unfuse_lora", min(pair[1] for pair in fused), limit)
    unet.unload_lora()


def row(name: str, took: float, bound: float, of: str = "the limit") -> None:
    print(f"    {name:28} {took * 1e3:7.0f} ms  {took / bound:5.2f} × {of}", flush=True)


def reference(path: Path, weight: float) -> NetworkRef:
    return NetworkRef(file=FileRef(name=path.name), label="bench", te_weight=weight, unet_weight=weight)


def plan_seconds(model: RandomModel, path: Path) -> float:
    """From the file to which weight gets what, in a patcher that is already there. The look for NaN is put aside."""
    patcher, wanted = Patcher(model), Wanted.of(reference(path, 1.0), path, 0)
    files = NetworkFiles()

    def plan() -> None:
        network = files.get(FileIdentity.of(path))
        network.__dict__["damaged"] = frozenset()
        patcher._files = files
        patcher._plan(wanted, {}, [])

    return seconds(plan)


def nan_seconds(path: Path) -> float:
    network = NetworkFile(SafetensorsFile(path))
    return seconds(lambda: network.damaged)


def traffic_and_products(weights: Sequence[Tensor], rank: int) -> tuple[float, float]:
    """Each weight read and written once; the rank-r products alone, in float32."""
    shapes, products = Counter((weight.shape[0], weight[0].numel()) for weight in weights), 0.0
    for (rows, columns), count in shapes.items():
        up, down, out = torch.ones(rows, rank), torch.ones(rank, columns), torch.empty(rows, columns)
        products += count * min(seconds(lambda up=up, down=down, out=out: torch.mm(up, down, out=out)) for _ in range(3))
    return seconds(lambda: [weight.add_(0) for weight in weights]), products


def copy_seconds(weights: Sequence[Tensor], dtype: torch.dtype) -> float:
    """Each weight from memory of its own, in the precision of the file; so many at a time that none is in the cache any more."""
    total, group = 0.0, list[tuple[Tensor, Tensor]]()
    for n, weight in enumerate(weights):
        group.append((weight, weight.to(dtype, copy=True)))
        if sum(source.nbytes for _, source in group) > COPIED_AT_ONCE or n == len(weights) - 1:
            total += seconds(lambda group=group: [target.copy_(source) for target, source in group])
            group = []
    return total


def write_weights(weights: Mapping[str, Tensor], dtype: torch.dtype, path: Path) -> None:
    """A .safetensors file, a tensor at a time, so that no second model is in memory."""
    name, header, end = next(name for name, known in FILE_DTYPES.items() if known == dtype), {}, 0
    for key, weight in weights.items():
        start, end = end, end + weight.numel() * dtype.itemsize
        header[key] = {"dtype": name, "shape": list(weight.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for weight in weights.values():
            file.write(weight.to(dtype).reshape(-1).view(torch.uint8).numpy().data)


def factors(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    ones = [1] * (weight.ndim - 2)
    return torch.randn(weight.shape[0], rank, *ones) * 1e-3, torch.randn(rank, *weight.shape[1:]) * 0.03


def write_lora(places: Sequence[Place], rank: int, path: Path) -> Path:
    tensors = {}
    for place in places:
        up, down = factors(place.weight, rank)
        parts = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(rank / 2)}
        tensors |= {f"{place.name}.{part}": tensor.half() for part, tensor in parts.items()}
    path.unlink(missing_ok=True)
    save_file(tensors, path)
    return path


def seconds(act: Callable[[], object]) -> float:
    start = time.thread_time()
    act()
    return time.thread_time() - start


def best(act: Callable[[], object]) -> float:
    return min(seconds(act) for _ in range(3))


if __name__ == "__main__":
    main()
