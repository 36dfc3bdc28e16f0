import gzip
import io
import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.errors import WebUIError
from backend.images.metadata import Encoding, encode, infotext_of, open_image, other_items, read_infotext
from backend.infotext import read


def png(texts: Mapping[str, str], image: Image.Image | None = None, kind: str = "tEXt") -> bytes:
    info, data = PngInfo(), io.BytesIO()
    for key, text in texts.items():
        if kind == "iTXt":
            info.add_itxt(key, text)
        else:
            info.add_text(key, text, zip=kind == "zTXt")
    (image or Image.new("RGB", (64, 32))).save(data, "PNG", pnginfo=info)
    return data.getvalue()


def labels(texts: Mapping[str, str]) -> dict[str, str]:
    return read(read_infotext(png(texts)))


COMFY = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub\\dream.safetensors"}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink.safetensors", "strength_model": 0.8, "model": ["4", 0], "clip": ["4", 1]}},
    "11": {"class_type": "LoraLoader", "inputs": {"lora_name": "b/wash.safetensors", "strength_model": -1, "model": ["10", 0], "clip": ["10", 1]}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["20", 0], "clip": ["11", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry, ugly", "clip": ["11", 1]}},
    "20": {"class_type": "PrimitiveString", "inputs": {"value": "a cat: black"}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5, "steps": 20, "cfg": 7.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
            "model": ["11", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "30": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1024, "height": 1536}},
    "31": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 6, "steps": 9, "cfg": 1, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.5,
            "model": ["11", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["30", 0],
        },
    },
}  # fmt: skip


def test_a_picture_of_comfyui_tells_its_first_pass():
    assert labels({"prompt": json.dumps(COMFY), "workflow": "{}"}) == {
        "Prompt": "a cat: black<lora:ink:0.8><lora:wash:-1>",
        "Negative prompt": "blurry, ugly",
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "7.5",
        "Seed": "5",
        "Size-1": "512",
        "Size-2": "768",
        "Model": "dream",
    }


def test_a_picture_of_invokeai_is_understood():
    said = {
        "positive_prompt": "a cat", "negative_prompt": "blurry", "width": 512, "height": 640, "seed": 9, "cfg_scale": 7.5, "steps": 30,
        "scheduler": "dpmpp_2m_k", "model": {"name": "dream, v2"}, "loras": [{"model": {"name": "ink"}, "weight": 0.75}], "clip_skip": 1,
    }  # fmt: skip
    found = labels({"invokeai_metadata": json.dumps(said)})
    assert (found["Prompt"], found["Negative prompt"], found["Sampler"], found["Schedule type"]) == ("a cat<lora:ink:0.75>", "blurry", "DPM++ 2M", "Karras")
    assert (found["Model"], found["Seed"], found["Size-2"], found["Clip skip"]) == ("dream, v2", "9", "640", "2")


def test_a_picture_of_an_old_invokeai_is_understood():
    said = {"image": {"prompt": [{"prompt": "a cat [blurry] asleep", "weight": 1}], "steps": 20, "cfg_scale": 7.5, "seed": 3, "sampler": "k_euler_a"}}
    found = labels({"sd-metadata": json.dumps(said)})
    assert (found["Prompt"], found["Negative prompt"], found["Sampler"]) == ("a cat  asleep", "blurry", "Euler a")


NOVEL = {
    "Software": "NovelAI",
    "Description": "1girl, {cat}",
    "Comment": json.dumps({"steps": 28, "sampler": "k_euler", "seed": 4, "scale": 11.0, "uc": "lowres"}),
}


def test_a_picture_of_novelai_reads_as_in_a1111():
    assert read_infotext(png(NOVEL)) == (
        "1girl, {cat}\nNegative prompt: lowres\nSteps: 28, Sampler: Euler, CFG scale: 11.0, Seed: 4, Size: 64x32, Clip skip: 2, ENSD: 31337"
    )


def stealthy(signature: bytes, data: bytes) -> Image.Image:
    bits = np.unpackbits(np.frombuffer(signature + (len(data) * 8).to_bytes(4, "big") + data, np.uint8))
    image = Image.new("RGBA", (64, 128), (9, 9, 9, 255))
    alpha = np.full(64 * 128, 254, np.uint8)
    alpha[: bits.size] |= bits
    image.putalpha(Image.fromarray(alpha.reshape(64, 128).T.copy()))
    return image


def test_what_hides_in_the_alpha_channel_is_found():
    novel = stealthy(b"stealth_pngcomp", gzip.compress(json.dumps(NOVEL).encode()))
    assert "Sampler: Euler, CFG scale: 11.0" in read_infotext(png({}, novel))
    assert read_infotext(png({}, stealthy(b"stealth_pnginfo", b"a cat\nSteps: 1, Seed: 2"))) == "a cat\nSteps: 1, Seed: 2"


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_every_kind_of_text_in_a_png_is_read(kind: str):
    text = "a cat\nSteps: 20, Sampler: Euler, Seed: 1" + (" 猫" if kind == "iTXt" else "")
    image = open_image(png({"parameters": text, "Author": "me"}, kind=kind))
    assert (infotext_of(image), other_items(image)) == (text, {"Author": "me"})


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "avif"])
def test_every_format_gives_back_what_was_written(format: str):
    assert read_infotext(encode(Image.new("RGB", (16, 16)), "猫, a cat\nSteps: 1", Encoding(format=format))) == "猫, a cat\nSteps: 1"


def test_more_texts_stand_in_a_png_under_their_names():
    image = open_image(encode(Image.new("RGB", (8, 8)), "a cat", Encoding(), {"postprocessing": "Lanczos", "": "x", "n" * 80: "y"}))
    assert image.info == {"parameters": "a cat", "postprocessing": "Lanczos"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["3", "inputs", "positive", "steps", "model", "image", "prompt"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(key=st.sampled_from(["prompt", "invokeai_metadata", "sd-metadata", "Comment"]), value=JSON | st.text(max_size=20))
def test_no_text_in_a_picture_makes_it_unreadable(key: str, value: object):
    image = Image.new("RGB", (8, 8))
    image.info.update({"Software": "NovelAI", key: value if isinstance(value, str) else json.dumps(value)})
    assert isinstance(infotext_of(image), str)


def test_a_graph_that_leads_in_circles_comes_to_an_end():
    graph = {"3": {"inputs": {"steps": ["3", 0], "positive": ["3", 0], "model": ["3", 0], "seed": ["3", 0], "latent_image": ["3", 0]}}}
    assert read_infotext(png({"prompt": json.dumps(graph)})) == ""


FILES = {
    format: encode(Image.effect_noise((24, 24), 50).convert("RGB"), "a cat\nSteps: 1", Encoding(format=format)) for format in ("png", "jpg", "webp", "avif")
}


@settings(max_examples=120, deadline=None)
@given(
    format=st.sampled_from(sorted(FILES)),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
)
def test_a_damaged_file_is_read_or_refused_with_a_sentence(format: str, cut: float, changes: list[tuple[int, int]]):
    data = bytearray(FILES[format])
    for place, value in changes:
        data[place % len(data)] = value
    try:
        assert isinstance(read_infotext(bytes(data[: int(len(data) * cut) + 1])), str)
    except WebUIError as error:
        assert str(error) == "This is no picture that can be read."
