"""How long a LoRA takes to come, change and go, beside what the machine could do at best. One thread, CPU time, best of several.

    python tools/bench_lora.py models/Stable-diffusion/CHECKPOINT.safetensors [--ranks 8 32 128] [--dtypes float32 bfloat16 float16]

The limit of applying: the touched weights read and written once, plus the rank-r products; of removing: one copy out of the file's dtype.
All measured in the same run.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.checkpoints.loader import load
from backend.checkpoints.model import Model
from backend.checkpoints.placement import Placement
from backend.checkpoints.weight_file import DTYPES
from backend.job import FileRef, ModelOptions, NetworkRef
from backend.networks.patch import Patcher
from backend.safetensors_header import read_header

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16", "float16"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for dtype in options.dtypes:
            placement = Placement(device=torch.device("cpu"))
            model = load(options.checkpoint, None, placement, ModelOptions(checkpoint=FileRef(name=options.checkpoint.name), unet_dtype=dtype))
            for rank in options.ranks:
                measure(model, dtype, rank, write_lora(model, rank, Path(folder) / f"rank{rank}.safetensors"))
            del model


def measure(model: Model, dtype: str, rank: int, path: Path) -> None:
    patcher = Patcher(model)
    weights = [weight for _, weight in targets(model)]

    def become(weight: float) -> float:
        ref = NetworkRef(file=FileRef(name=path.name), label="bench", te_weight=weight, unet_weight=weight)
        return seconds(lambda: patcher.become([(ref, path)]))

    def remove() -> float:
        return seconds(lambda: patcher.become([]))

    first = become(1.0)
    traffic, products, copy = (
        best(lambda: [weight.add_(0) for weight in weights]),
        product_seconds(weights, rank),
        copy_seconds(weights, file_dtype(model.path)),
    )
    limit = traffic + products
    parts = f"{traffic * 1e3:.0f} traffic + {products * 1e3:.0f} products; copy out of {file_dtype(model.path)} {copy * 1e3:.0f} ms"
    print(f"{dtype}, rank {rank}: {len(weights)} weights. Limit {limit * 1e3:.0f} ms = {parts}")
    rows = (
        ("first use", first, limit),
        ("weight change", min(become(1 - n / 10) for n in range(1, ROUNDS + 1)), limit),
        ("back from none", min((remove(), become(1.0))[1] for _ in range(ROUNDS)), limit),
        ("removal", min((become(1.0), remove())[1] for _ in range(ROUNDS)), copy),
    )
    for name, took, bound in rows:
        print(f"    {name:14} {took * 1e3:7.0f} ms  {took / bound:5.2f} × the limit")
    become(1.0)
    print(f"    {'the same set':14} {min(become(1.0) for _ in range(10)) * 1e6:7.0f} µs")
    remove()


def product_seconds(weights: list[torch.Tensor], rank: int) -> float:
    """The rank-r products alone."""
    shapes = Counter((weight.shape[0], weight[0].numel()) for weight in weights)
    total = 0.0
    for (rows, columns), count in shapes.items():
        up, down, out = torch.ones(rows, rank), torch.ones(rank, columns), torch.empty(rows, columns)
        total += count * best(lambda up=up, down=down, out=out: torch.mm(up, down, out=out))
    return total


def copy_seconds(weights: list[torch.Tensor], dtype: torch.dtype) -> float:
    """Each weight from memory of its own, in the dtype of the file: what a cast costs, no way around it saves."""
    copies = [weight.to(dtype, copy=True) for weight in weights]
    return best(lambda: [weight.copy_(other) for weight, other in zip(weights, copies, strict=True)])


def file_dtype(path: Path) -> torch.dtype:
    return DTYPES[Counter(info.dtype for info in read_header(path).tensors.values()).most_common(1)[0][0]]


def targets(model: Model) -> list[tuple[str, torch.Tensor]]:
    """What kohya's default trains: the linear layers and 1×1 kernels of the U-Net's transformers, and the text encoders'. Name in the file, weight."""
    found = []
    modules = model.named_modules()
    encoders = sorted(name for name in modules if name.startswith("text_encoders"))
    prefixes = {"unet": "lora_unet_", **dict(zip(encoders, ("lora_te_",) if len(encoders) == 1 else ("lora_te1_", "lora_te2_"), strict=True))}
    for component, prefix in prefixes.items():
        for path, module in modules[component].items():
            wanted = ".attentions." in path if component == "unet" else ".layers." in path
            if wanted and isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                found.append((prefix + path.replace(".", "_"), module.weight.detach()))
    return found


def write_lora(model: Model, rank: int, path: Path) -> Path:
    if not path.exists():
        tensors = {}
        for name, weight in targets(model):
            up, down = torch.randn(weight.shape[0], rank), torch.randn(rank, weight.shape[1], *weight.shape[2:])
            parts = {"lora_up.weight": up.reshape(*up.shape, *[1] * (weight.ndim - 2)) * 1e-3, "lora_down.weight": down * 0.03, "alpha": torch.tensor(rank / 2)}
            tensors |= {f"{name}.{part}": tensor.half() for part, tensor in parts.items()}
        save_file(tensors, path)
    return path


def seconds(act: Callable[[], object]) -> float:
    start = time.thread_time()
    act()
    return time.thread_time() - start


def best(act: Callable[[], object]) -> float:
    return min(seconds(act) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
