"""A picture that is there against the one that its parameters give here: what is needed for it, the request, and the verdict."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageStat

from backend.catalog import Catalog, Entry
from backend.errors import WebUIError
from backend.fields import FACES, from_labels, to_request
from backend.infotext import LORA_HASHES, network_name, read
from backend.model_folders import Kind
from backend.paste import with_names_of_now
from backend.plan_networks import KINDS
from backend.request import GenerationRequest, Seed
from backend.setting_table import SETTINGS
from backend.settings import Settings

LEVELS = 255
ROUNDING = 3  # levels: what another device or precision may make of the same numbers
_TAG = re.compile(rf"<(?:{'|'.join(KINDS)}):([^:>]+)")
_UNSAYABLE = re.compile("[:<>=]")  # in a tag
_PROMPTS = ("Prompt", "Hires prompt")
_HIRES = ("Hires upscale", "Hires upscaler", "Hires resize-1")
_ENLARGED_LATER = ("Postprocess upscale by", "Postprocess upscale to")
_NOT_COMPARED = (*_PROMPTS, "Negative prompt", "Batch size", "Batch pos", "User", LORA_HASHES)
_SECTIONS = ("Stable Diffusion", "Stable Diffusion XL", "VAE", "Optimizations", "Compatibility")  # whose settings may change a picture
_AS_EVER = frozenset({"sd_checkpoints_limit", "enable_prompt_comments", "token_merging_ratio_img2img", "use_old_hires_fix_width_height"})
_LOSSY = ("JPEG", "WEBP", "AVIF")


@dataclass(frozen=True, kw_only=True)
class Need:
    """A file that the picture was made with. found: what it is called here, "" = it is missing. note: what is to be known of it."""

    kind: Kind
    name: str
    hash: str  # as the picture tells it; "" = it does not
    found: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """sentence: for the person. most, mean: levels of 255; psnr: dB, None where the pictures are the same, or not comparable."""

    sentence: str
    identical: bool = False
    most: int | None = None
    mean: float | None = None
    psnr: float | None = None
    reasons: tuple[str, ...] = ()


def needs(text: str, catalog: Catalog) -> tuple[Need, ...]:
    """Checkpoint, VAE, Loras. A file that goes by its name is hashed now, where the picture tells a hash."""
    return tuple(_needs(read(text), catalog))


def request_of(text: str, settings: Settings, catalog: Catalog) -> GenerationRequest:
    """One picture. Raises WebUIError, with all reasons, for what cannot be drawn again."""
    labels = read(text)
    problems = [*_problems(labels, catalog), *(need.note for need in needs(text, catalog) if not need.found)]
    if problems:
        raise WebUIError("This picture cannot be drawn again here. " + " ".join(problems))
    whole = settings.override({"disable_weights_auto_swap": False, "infotext_skip_pasting": ()})
    request = to_request(from_labels(with_names_of_now(_by_hash(labels, catalog), catalog), whole))
    if "VAE" not in labels:  # and not the person's, nor the one that lies beside the checkpoint
        request = replace(request, override_settings={**request.override_settings, "sd_vae": "None"})
    return replace(request, batch_size=1, n_iter=1, seed=request.seed if request.seed.seed >= 0 else Seed(seed=0))


def judge(before: Image.Image, after: Image.Image, said: str, says: str, found: tuple[Need, ...], settings: Settings) -> Verdict:
    """said, says: the parameters of both."""
    if before.size != after.size:
        sizes = " and ".join(f"{image.width} × {image.height}" for image in (before, after))
        return Verdict(sentence=f"Not comparable: {sizes}. The picture was enlarged, cut, or put in a grid after it was drawn, or it is another pass.")
    apart = ImageChops.difference(before.convert("RGB"), after.convert("RGB"))
    most = max(high for _, high in apart.getextrema())  # type: ignore[misc]
    if most == 0:
        return Verdict(sentence="Identical: every pixel is the same.", identical=True, most=0, mean=0.0)
    statistics = ImageStat.Stat(apart)
    mean, square = sum(statistics.mean) / 3, sum(statistics.sum2) / (3 * before.width * before.height)
    psnr = 10 * math.log10(LEVELS**2 / square)
    return Verdict(
        sentence=f"{_words(psnr)}: at most {most} of {LEVELS} levels apart, {mean:.2f} on average, PSNR {psnr:.1f} dB.",
        most=most,
        mean=mean,
        psnr=psnr,
        reasons=tuple(_reasons(before, read(said), read(says), found, settings, most)),
    )


def difference(before: Image.Image, after: Image.Image) -> tuple[Image.Image, int]:
    """How far each pixel is apart, and by how much that was made brighter. Of two sizes: nothing, black."""
    if before.size != after.size:
        return Image.new("RGB", before.size), 1
    apart = ImageChops.difference(before.convert("RGB"), after.convert("RGB"))
    factor = LEVELS // max(1, *(high for _, high in apart.getextrema()))  # type: ignore[misc]
    return apart.point(lambda level: level * factor), factor


def _words(psnr: float) -> str:
    return "All but the same" if psnr >= 45 else "Nearly the same" if psnr >= 30 else "Alike" if psnr >= 20 else "Another picture"


def _problems(labels: Mapping[str, str], catalog: Catalog) -> Iterator[str]:
    if "Steps" not in labels or "Seed" not in labels:
        yield "It carries no parameters to draw it from."
        return
    if FACES in labels and (missing := catalog.faces.missing(labels[FACES])):
        yield missing
    if "Denoising strength" in labels and not any(label in labels for label in _HIRES):
        yield "It was drawn from another picture (img2img), which its parameters do not hold."
    if "Script" in labels:
        yield f"It was made by the script {labels['Script']}."
    if any(label in labels for label in _ENLARGED_LATER):
        yield "It was enlarged after it was drawn."


def _needs(labels: Mapping[str, str], catalog: Catalog) -> Iterator[Need]:
    if labels.get("Model") or labels.get("Model hash"):
        yield _need("checkpoint", labels.get("Model", ""), labels.get("Model hash", ""), catalog)
    if labels.get("VAE", "None") not in ("None", "Automatic"):
        yield _need("vae", labels["VAE"], labels.get("VAE hash", ""), catalog)
    hashes = {name: short for name, _, short in (pair.rpartition(": ") for pair in labels.get(LORA_HASHES, "").split(", "))}
    prompts = " ".join(labels.get(label, "") for label in _PROMPTS)
    for name in dict.fromkeys(_TAG.findall(prompts)):
        yield _need("lora", name, hashes.get(network_name(name), ""), catalog)


def _by_hash(labels: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    """With the Loras that have the picture's hashes, also where another file has the name by now."""
    names = {need.name: need.found for need in _needs(labels, catalog) if need.kind == "lora" and need.hash and not need.note}

    def named(tag: re.Match[str]) -> str:
        return tag[0][: -len(tag[1])] + names[tag[1]] if tag[1] in names and not _UNSAYABLE.search(names[tag[1]]) else tag[0]

    return {label: _TAG.sub(named, value) if label in _PROMPTS else value for label, value in labels.items()}


def _need(kind: Kind, name: str, hash: str, catalog: Catalog) -> Need:
    entry = (catalog.find(kind, hash) if hash else None) or (catalog.find(kind, name) if name else None)
    word = {"checkpoint": "checkpoint", "vae": "VAE", "lora": "Lora"}[kind]
    if entry is None:
        told = f" [{hash}]" if hash else ""
        return Need(kind=kind, name=name, hash=hash, found="", note=f"The {word} {name or 'without a name'}{told} is missing.")
    return Need(kind=kind, name=name or entry.stem, hash=hash, found=entry.name, note=_note(word, entry, hash, catalog))


def _note(word: str, entry: Entry, hash: str, catalog: Catalog) -> str:
    if not hash:
        return f"The picture tells no hash of the {word} {entry.name}: it may have been another file."
    own = catalog.short_hash(entry)
    if own and not own.startswith(hash[: len(own)]):
        return f"The {word} {entry.name} is another file of that name: its hash is {own}, the picture's was {hash}."
    return ""


def _reasons(before: Image.Image, said: Mapping[str, str], says: Mapping[str, str], found: tuple[Need, ...], settings: Settings, most: int) -> Iterator[str]:
    yield from (need.note for need in found if need.note)
    for label in dict.fromkeys((*said, *says)):
        if label not in _NOT_COMPARED and not label.endswith("hash") and said.get(label) != says.get(label):
            yield f"{label}: {said.get(label, 'not told')} then, {says.get(label, 'not told')} now."
    if getattr(before, "format", None) in _LOSSY:
        yield f"The file is a {before.format}: it does not hold the very pixels that were drawn."
    if most <= ROUNDING:
        yield "Differences of this size come from rounding: another device, another precision, or another version of a library."
    elif "RNG" not in said:
        yield "The noise came from the device that drew it (RNG: GPU): on another kind of device than that it is other noise, and another picture."
    changed = [setting.label for setting in SETTINGS.values() if _matters(setting.key) and settings[setting.key] != setting.default]
    if changed:
        yield f"Settings that pictures do not tell are changed here: {', '.join(changed)}."


def _matters(key: str) -> bool:
    setting = SETTINGS[key]
    return setting.section in _SECTIONS and not setting.infotext and key not in _AS_EVER
