"""Write what is shipped, checkpoint, LoRAs, previews and A1111's sidecars, into MODELS (the program's models folder)."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tools.demo_model.concepts import CONCEPTS, DEMO
from tools.demo_model.convert import save_checkpoint, to_compvis
from tools.demo_model.diffusion import sample, save_sheet
from tools.demo_model.train_lora import PLANS, Lora, add_lora
from tools.demo_model.train_unet import load_networks, load_vae
from tools.demo_model.workspace import Workspace, arguments

EXAMPLES = (
    *("cat face on green background", "a blue heart", "rocket on black background", "pizza", "penguin"),
    *("a purple fish", "house", "yellow star, blue background", "sunflower", "ghost on black background"),
)
ABOUT = (
    "A small checkpoint of the SD 1 layout, trained from scratch on emoji. 128 x 128, v-prediction. "
    "It knows the words in its notes, colours and backgrounds, and little else."
)


def main(work: Workspace, models: Path) -> None:
    write_checkpoint(work, models / "Stable-diffusion/demo-emoji.safetensors")
    for name in PLANS:
        if work.lora(name).exists():
            write_lora(work, name, models / f"Lora/demo/{name}.safetensors")


def write_checkpoint(work: Workspace, path: Path) -> None:
    networks, vae = load_networks(work), load_vae(work)
    text = dict(networks.encoder.state_dict())
    text["embeddings.token_embedding.weight"] = networks.words.full_table(text["embeddings.token_embedding.weight"])
    save_checkpoint(to_compvis(networks.unet.state_dict(), vae.state_dict(), text), path)
    known = ", ".join(sorted({name for slug in DEMO for name in CONCEPTS[slug]}))
    write_sidecar(path, {"description": ABOUT, "sd version": "SD1", "notes": known, "example prompts": EXAMPLES})
    save_sheet(vae, sample(networks.unet, networks.encoder, networks.words, EXAMPLES[:4], seed=11), 2, path.with_suffix(".preview.png"))


def write_lora(work: Workspace, name: str, path: Path) -> None:
    plan, tensors = PLANS[name], load_file(work.lora(name))
    ranks = [tensor.shape[0] for key, tensor in tensors.items() if "lora_down" in key]
    rank, convolution_rank = str(max(ranks)), str(min(ranks))
    metadata = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": rank,
        "ss_network_alpha": f"{rank}.0",
        "ss_network_args": json.dumps({"conv_dim": convolution_rank, "conv_alpha": convolution_rank}),
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "ss_output_name": name,
        "ss_resolution": "(128, 128)",
        "ss_tag_frequency": json.dumps({"emoji": {plan.trigger: len(DEMO)}}),
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": name,
        "modelspec.license": "MIT",
        "modelspec.resolution": "128x128",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    about = {"description": plan.about, "sd version": "SD1", "activation text": plan.trigger, "preferred weight": 1.0, "notes": ""}
    write_sidecar(path, about)
    networks = load_networks(work)
    fill(add_lora(networks.unet, networks.encoder if plan.slug else None, plan.rank), tensors)
    latents = sample(networks.unet, networks.encoder, networks.words, [plan.preview], seed=3)
    save_sheet(load_vae(work), latents, 1, path.with_suffix(".preview.png"))


@torch.no_grad()
def fill(layers: dict[str, Lora], tensors: dict[str, torch.Tensor]) -> None:
    for key, layer in layers.items():
        layer.down.weight.copy_(tensors[f"{key}.lora_down.weight"])
        layer.up.weight.copy_(tensors[f"{key}.lora_up.weight"])


def write_sidecar(model: Path, about: dict[str, object]) -> None:
    model.with_suffix(".json").write_text(json.dumps(about, indent=1), encoding="utf-8")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("models", type=Path)
    given = parser.parse_args()
    main(given.work, given.models)
