"""Loading a checkpoint: resident memory and time beside diffusers' from_single_file, one process each, in turns.

  python tools/bench_load.py CHECKPOINT [--yaml ORIGINAL_CONFIG] [--rounds 3] [--dtype float32]

Memory is what the process holds more than after its imports (VmRSS), over the size of the model's own parameters;
time is the best of the rounds, by the clock and by the processor (all threads).
diffusers needs the checkpoint's original .yaml, so that nothing is fetched; the file is read once beforehand, so that both find it in the page cache.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    args = _arguments()
    if args.child:
        print(json.dumps(_ours(args) if args.child == "ours" else _theirs(args)))
        return
    args.checkpoint.read_bytes()
    best: dict[str, dict[str, float]] = {}
    for _ in range(args.rounds):
        for who in ("ours", "theirs"):
            result = _run(who, args)
            print(f"{who}: {result}", flush=True)
            best[who] = {key: min(value, best.get(who, result)[key]) for key, value in result.items()}
    for measure in ("seconds", "cpu_seconds"):
        ours, theirs = (best[who][measure] for who in ("ours", "theirs"))
        print(f"{measure}: ours {ours:.2f}, from_single_file {theirs:.2f}, ratio {ours / theirs:.2f}")
    for who, result in best.items():
        mib, ratio = result["resident"] / 2**20, result["resident"] / result["parameters"]
        print(f"{who}: {mib:.0f} MiB more resident than after the imports, {ratio:.3f} × the model's own size")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--yaml", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="float32", help="of the U-Net; text encoder and VAE float32")
    parser.add_argument("--child", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(who: str, args: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, str(args.checkpoint), "--child", who, "--dtype", args.dtype]
    command += ["--yaml", str(args.yaml)] if args.yaml else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _ours(args: argparse.Namespace) -> dict[str, float]:
    import torch

    from backend.checkpoints.loader import load
    from backend.checkpoints.placement import UNET_DTYPES, Placement
    from backend.job import FileRef, ModelOptions

    dtype = UNET_DTYPES[args.dtype]
    placement = Placement(device=torch.device("cpu"), unet_dtype=dtype, channels_last=dtype != torch.float32, fixed=True)
    options = ModelOptions(checkpoint=FileRef(name=args.checkpoint.name))
    before, start, cpu = _resident(), time.perf_counter(), time.process_time()
    model = load(args.checkpoint, None, placement, options)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, "resident": _resident() - before, "parameters": _size(model.unet, model.vae, *model.text_encoders)}


def _theirs(args: argparse.Namespace) -> dict[str, float]:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders.single_file_utils import load_single_file_checkpoint
    from transformers import CLIPTextConfig, CLIPTextModel

    dtype = getattr(torch, args.dtype)
    before, start, cpu = _resident(), time.perf_counter(), time.process_time()
    common = {"original_config": str(args.yaml), "local_files_only": True}
    unet = UNet2DConditionModel.from_single_file(str(args.checkpoint), torch_dtype=dtype, **common)
    vae = AutoencoderKL.from_single_file(str(args.checkpoint), torch_dtype=torch.float32, **common)
    config = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768)
    weights = load_single_file_checkpoint(str(args.checkpoint))
    start_of_text = "cond_stage_model.transformer.text_model."
    text = CLIPTextModel(config)  # what from_single_file does for SD 1 once it has fetched a configuration
    text.load_state_dict({key.removeprefix(start_of_text): value for key, value in weights.items() if key.startswith(start_of_text)}, strict=False)
    del weights
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, "resident": _resident() - before, "parameters": _size(unet, vae, text)}


def _size(*modules) -> int:
    return sum(parameter.numel() * parameter.element_size() for module in modules for parameter in module.parameters())


def _resident() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    main()
