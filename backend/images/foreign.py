"""What other programs write into their pictures, as an infotext in A1111's manner: ComfyUI, InvokeAI, NovelAI. What does not map is left out."""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

Graph = Mapping[str, Any]
SIGNATURE_BYTES = 15  # "stealth_pnginfo", "stealth_pngcomp"
LONGEST_STEALTH = 4 * 1024 * 1024  # bytes, unpacked
DEEPEST = 64  # nodes on the way from a sampler to a file
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, EOFError, OSError, zlib.error)

SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "euler": "Euler", "euler_ancestral": "Euler a", "euler_a": "Euler a", "heun": "Heun", "dpm_2": "DPM2", "dpm_2_ancestral": "DPM2 a",
        "kdpm_2": "DPM2", "kdpm_2_a": "DPM2 a", "lms": "LMS", "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive", "dpmpp_2s_ancestral": "DPM++ 2S a",
        "dpmpp_2s": "DPM++ 2S a", "dpmpp_sde": "DPM++ SDE", "dpmpp_sde_gpu": "DPM++ SDE", "dpmpp_2m": "DPM++ 2M",
        "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
        "dpmpp_3m_sde": "DPM++ 3M SDE", "dpmpp_3m_sde_gpu": "DPM++ 3M SDE", "dpmpp_3m": "DPM++ 3M SDE", "ddim": "DDIM", "uni_pc": "UniPC",
        "uni_pc_bh2": "UniPC", "unipc": "UniPC", "lcm": "LCM", "plms": "PLMS", "restart": "Restart",
    }
)  # fmt: skip
SCHEDULERS: Mapping[str, str] = MappingProxyType(
    {
        "normal": "Normal", "karras": "Karras", "exponential": "Exponential", "sgm_uniform": "SGM Uniform", "simple": "Simple", "ddim_uniform": "DDIM",
        "beta": "Beta", "kl_optimal": "KL Optimal",
    }
)  # fmt: skip


def foreign_infotext(image: Image.Image) -> str:
    """ "" where there is nothing that is understood. image: loaded."""
    for read in (_novelai, _invokeai, _comfyui, _stealth):
        try:
            text = read(image)
        except MALFORMED:
            continue
        if text:
            return text
    return ""


def _infotext(prompt: object, negative: object, labels: Mapping[str, object]) -> str:
    negative = str(negative or "").strip()
    line = ", ".join(f"{label}: {_quoted(value)}" for label, value in labels.items() if value is not None and value != "")
    return "\n".join(filter(None, (str(prompt or "").strip(), f"Negative prompt: {negative}" if negative else "", line)))


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text


def _size(width: object, height: object) -> str | None:
    return f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else None


def _number(value: object) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _stem(name: object) -> str | None:
    """Of a file in a folder, written on any system."""
    return name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or name if isinstance(name, str) else None


# ---- NovelAI


def _novelai(image: Image.Image) -> str:
    info = image.info
    return _of_novelai(info.get("Description"), json.loads(info["Comment"]), image) if info.get("Software") == "NovelAI" else ""


def _of_novelai(description: object, said: Graph, image: Image.Image) -> str:
    sampler = SAMPLERS.get(str(said.get("sampler")).removeprefix("k_"), "Euler a")  # as in A1111
    labels = {
        "Steps": _number(said.get("steps")),
        "Sampler": sampler,
        "CFG scale": _number(said.get("scale")),
        "Seed": _number(said.get("seed")),
        "Size": _size(image.width, image.height),
        "Clip skip": 2,
        "ENSD": 31337,
    }
    return _infotext(description or said.get("prompt"), said.get("uc"), labels)


def _stealth(image: Image.Image) -> str:
    """In the lowest bits of the alpha channel, column by column: a signature, the length in bits, the text."""
    if image.mode != "RGBA" or image.width * image.height < (SIGNATURE_BYTES + 4) * 8:
        return ""
    bits = (np.asarray(image.getchannel("A")) & 1).T.reshape(-1)
    head = np.packbits(bits[: (SIGNATURE_BYTES + 4) * 8]).tobytes()
    signature, length = head[:SIGNATURE_BYTES], int.from_bytes(head[SIGNATURE_BYTES:], "big")
    start = (SIGNATURE_BYTES + 4) * 8
    if signature not in (b"stealth_pnginfo", b"stealth_pngcomp") or length > min(bits.size - start, LONGEST_STEALTH * 8):
        return ""
    data = np.packbits(bits[start : start + length]).tobytes()
    if signature.endswith(b"comp"):
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            data = file.read(LONGEST_STEALTH)
    text = data.decode("utf-8")
    if not text.startswith("{"):
        return text  # A1111's, written by an extension
    said = json.loads(text)
    return _of_novelai(said.get("Description"), json.loads(said["Comment"]), image)


# ---- InvokeAI


def _invokeai(image: Image.Image) -> str:
    if "invokeai_metadata" in image.info:
        return _of_invokeai(json.loads(image.info["invokeai_metadata"]))
    if "sd-metadata" in image.info:  # before version 3
        return _of_old_invokeai(json.loads(image.info["sd-metadata"]))
    return ""


def _of_invokeai(said: Graph) -> str:
    scheduler = str(said.get("scheduler") or "")
    sampler = SAMPLERS.get(scheduler.removesuffix("_k"))
    model, vae = said.get("model") or {}, said.get("vae") or {}
    loras = "".join(_lora(_invokeai_name(lora.get("model") or lora.get("lora")), lora.get("weight")) for lora in said.get("loras") or ())
    skip = _number(said.get("clip_skip"))
    labels = {
        "Steps": _number(said.get("steps")),
        "Sampler": sampler,
        "Schedule type": "Karras" if sampler and scheduler.endswith("_k") else None,
        "CFG scale": _number(said.get("cfg_scale")),
        "Seed": _number(said.get("seed")),
        "Size": _size(said.get("width"), said.get("height")),
        "Model": _invokeai_name(model),
        "VAE": _invokeai_name(vae),
        "Denoising strength": _number(said.get("strength")),
        "Clip skip": int(skip) + 1 if skip else None,  # InvokeAI counts the layers that are left out
    }
    return _infotext(f"{said.get('positive_prompt') or ''}{loras}", said.get("negative_prompt"), labels)


def _invokeai_name(model: Any) -> str | None:
    return model.get("name") or model.get("model_name") or model.get("base_model") if isinstance(model, Mapping) else _stem(model)


def _of_old_invokeai(said: Graph) -> str:
    image = said["image"]
    prompt = image.get("prompt")
    text = prompt if isinstance(prompt, str) else prompt[0]["prompt"]
    positive, negative = _without_brackets(text)
    labels = {
        "Steps": _number(image.get("steps")),
        "Sampler": SAMPLERS.get(str(image.get("sampler")).removeprefix("k_")),
        "CFG scale": _number(image.get("cfg_scale")),
        "Seed": _number(image.get("seed")),
        "Size": _size(image.get("width"), image.get("height")),
    }
    return _infotext(positive, negative, labels)


def _without_brackets(text: str) -> tuple[str, str]:
    """[In brackets] stood what was not wanted."""
    positive, negative, rest = "", [], text
    while "[" in rest and "]" in rest.partition("[")[2]:
        before, _, rest = rest.partition("[")
        inside, _, rest = rest.partition("]")
        positive += before
        negative.append(inside.strip())
    return (positive + rest).strip(), ", ".join(negative)


# ---- ComfyUI


def _comfyui(image: Image.Image) -> str:
    if "prompt" not in image.info:
        return ""
    graph = json.loads(image.info["prompt"].replace("NaN", "null"))
    samplers = [node for node in _nodes(graph) if "positive" in node["inputs"] and ("steps" in node["inputs"] or "sampler_name" in node["inputs"])]
    if not samplers:
        return ""
    node = min(samplers, key=lambda node: _first(graph, node, "latent_image", lambda other: "steps" in other["inputs"]) is not None)  # the first pass
    return _of_comfyui(graph, node)


def _of_comfyui(graph: Graph, node: Graph) -> str:
    inputs = node["inputs"]
    said = {key: _value(graph, inputs.get(key)) for key in ("seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")}
    checkpoint = _first(graph, node, "model", lambda other: "ckpt_name" in other["inputs"])
    empty = _first(graph, node, "latent_image", lambda other: "width" in other["inputs"] and "height" in other["inputs"])
    size = [_value(graph, empty["inputs"][side]) for side in ("width", "height")] if empty else [None, None]
    skip = _first(graph, node, "positive", lambda other: "stop_at_clip_layer" in other["inputs"])
    layer = _number(skip["inputs"]["stop_at_clip_layer"]) if skip else None
    denoise = _number(said["denoise"])
    labels = {
        "Steps": _number(said["steps"]),
        "Sampler": SAMPLERS.get(str(said["sampler_name"])),
        "Schedule type": SCHEDULERS.get(str(said["scheduler"])),
        "CFG scale": _number(said["cfg"]),
        "Seed": _number(said["seed"] if said["seed"] is not None else said["noise_seed"]),
        "Size": _size(*size),
        "Model": _stem(checkpoint["inputs"]["ckpt_name"]) if checkpoint else None,
        "Denoising strength": denoise if denoise != 1 else None,
        "Clip skip": -int(layer) if layer else None,
    }
    return _infotext(_prompt(graph, inputs["positive"]) + "".join(_loras(graph, node)), _prompt(graph, inputs.get("negative")), labels)


def _nodes(graph: Graph) -> Iterator[Graph]:
    return (node for node in graph.values() if isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping))


def _linked(graph: Graph, value: object) -> Graph | None:
    """The node that an input comes from."""
    if not isinstance(value, list) or not value:
        return None
    node = graph.get(str(value[0]))
    return node if isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping) else None


def _value(graph: Graph, value: object, depth: int = 0) -> Any:
    """What a number or text is in the end, where nodes only hand it on."""
    node = _linked(graph, value)
    if node is None:
        return None if isinstance(value, list) else value
    if depth > DEEPEST:
        return None
    inputs = node["inputs"]
    found = (_value(graph, inputs[key], depth + 1) for key in ("seed", "noise_seed", "value", "int", "float", "string", "text", "Value") if key in inputs)
    return next((each for each in found if each is not None), None)


def _first(graph: Graph, node: Graph, through: str, wanted: Callable[[Graph], bool]) -> Graph | None:
    """The nearest node upwards that is wanted: first through the named input, then through all."""
    waiting, seen = [_linked(graph, node["inputs"].get(through))], list[int]()
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.append(id(each))
        if wanted(each):
            return each
        waiting += [_linked(graph, value) for value in each["inputs"].values()]
    return None


def _prompt(graph: Graph, link: object) -> str:
    node: Graph | None = {"inputs": {"": link}}
    found = _first(graph, node, "", lambda other: any(key in other["inputs"] for key in ("text", "text_g", "string")))
    if found is None:
        return ""
    key = next(key for key in ("text", "text_g", "string") if key in found["inputs"])
    value = _value(graph, found["inputs"][key])
    return value if isinstance(value, str) else ""


def _loras(graph: Graph, node: Graph) -> Iterator[str]:
    """From the checkpoint down to the sampler, as they are applied."""
    found, each = list[str](), _linked(graph, node["inputs"].get("model"))
    for _ in range(DEEPEST):
        if each is None:
            break
        if "lora_name" in each["inputs"]:
            found.append(_lora(_stem(each["inputs"]["lora_name"]), _value(graph, each["inputs"].get("strength_model"))))
        each = _linked(graph, each["inputs"].get("model"))
    return reversed(found)


def _lora(name: str | None, weight: object) -> str:
    return f"<lora:{name}:{weight if _number(weight) is not None else 1}>" if name else ""
