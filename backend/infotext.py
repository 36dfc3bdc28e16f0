"""The "parameters" text of a picture: write() and read() are inverses, in A1111's order and spelling."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from backend.fields import FACES
from backend.plan import Plan
from backend.plan_sampling import AUTOMATIC
from backend.prompts.schedule import prompt_schedule
from backend.sampling.names import CHURN
from backend.setting_table import SETTINGS

VERSION = "webui-0.1.0"

LORA_HASHES = "Lora hashes"
NEGATIVE = "Negative prompt:"
FEWEST = 3  # parameters in a last line that is one of parameters, as in A1111
PAIRS = ("Size", "Seed resize from", "Hires resize", "First pass size")  # "64x96" is read as two numbers

_PARAMETER = re.compile(r'\s*(\w[\w \-/]{0,60}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_PAIR = re.compile(r"(\d+)x(\d+)")


def write(plan: Plan, index: int, extra: Mapping[str, str], unused: Collection[str] = ()) -> str:
    """Of the picture with this index. extra: what only the run knows ("TI hashes"); it comes after what is known here.

    unused: names of networks that had no effect, of which nothing is said.
    """
    image = plan.images[index]
    negative = f"\n{NEGATIVE} {image.negative_prompt}" if image.negative_prompt else ""
    texts = (image.prompt + negative).strip()
    parameters = {**_asked(plan, index, extra), **_early(plan, index, unused), **_from_run(plan, extra), **_late(plan), **_unforeseen(extra), **_end(plan)}
    if tuple(map(str.strip, _split(texts))) != (image.prompt.strip(), image.negative_prompt.strip()):  # the prompt has such a line itself
        parameters = {"Prompt": image.prompt, NEGATIVE[:-1]: image.negative_prompt} | parameters
    line = ", ".join(f"{label}: {_quote(str(value))}" for label, value in parameters.items() if value is not None)
    return f"{image.prompt}{negative}\n{line}".strip()


def lora_hashes(plan: Plan, index: int, unused: Collection[str] = ()) -> dict[str, str]:
    """ "Lora hashes" of one picture, as A1111 writes them; empty where there are none."""
    pairs = {network_name(name): short for name, short in plan.images[index].hashes if name not in unused}
    return {LORA_HASHES: ", ".join(f"{name}: {short}" for name, short in pairs.items())} if pairs else {}


def join_labels(labels: Mapping[str, str]) -> str:
    """ "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos"; one that is its own value stands alone, as in A1111."""
    return ", ".join(label if label == value else f"{label}: {_quote(value)}" for label, value in labels.items())


def with_labels(text: str, labels: Mapping[str, str]) -> str:
    """A text of parameters with more of them, before "Version"."""
    added = ", ".join(f"{label}: {_quote(str(value))}" for label, value in labels.items())
    if not added:
        return text
    head, mark, version = text.rpartition(", Version: ")
    return f"{head}, {added}{mark}{version}" if mark and "\n" not in version else f"{text}, {added}" if text else added


def network_name(name: str) -> str:
    """As it stands in "Lora hashes"."""
    return name.replace(":", "").replace(",", "")


def read(text: str) -> dict[str, str]:
    """Every label with its value, "Prompt" and "Negative prompt" first. A text that ends in no parameters is a prompt."""
    if text.count("\r\n") == text.count("\n"):  # from a clipboard
        text = text.replace("\r\n", "\n")
    head, _, line = text.strip().rpartition("\n")
    parameters = dict(_parameters(line))
    if len(parameters) < FEWEST:
        head, parameters = text, {}
    prompt, negative = _split(head)
    return {"Prompt": prompt, NEGATIVE[:-1]: negative} | parameters


def _split(texts: str) -> tuple[str, str]:
    """At the first line that starts the negative prompt."""
    before, mark, negative = f"\n{texts}".partition(f"\n{NEGATIVE}")
    return before[1:], negative.removeprefix(" ") if mark else ""


def _parameters(line: str) -> Iterator[tuple[str, str]]:
    for label, value in _PARAMETER.findall(line):
        pair = _PAIR.fullmatch(value) if label in PAIRS else None
        if pair:
            yield from ((f"{label}-1", pair[1]), (f"{label}-2", pair[2]))
        else:
            yield label, _unquote(value)


def _quote(value: str) -> str:
    plain = not re.search(r"[,:\n]", value) and value == value.strip() and not value.startswith('"')
    return value if plain else json.dumps(value, ensure_ascii=False)


def _unquote(value: str) -> str:
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


# The parameters, in A1111's order; None = left out.


def _asked(plan: Plan, index: int, extra: Mapping[str, str]) -> dict[str, Any]:
    request, image, settings = plan.request, plan.images[index], plan.settings
    seed, varied = request.seed, request.seed.subseed_strength != 0
    job = plan.jobs[0]
    checkpoint, vae = plan.checkpoint, plan.vae
    return {
        "Steps": job.sampling.steps,
        "Sampler": plan.sampler.label,
        "Schedule type": plan.schedule_type,
        "CFG scale": job.sampling.cfg_scale,
        "Image CFG scale": extra.get("Image CFG scale"),
        "Seed": image.seed,
        FACES: job.faces.model if job.faces else None,
        "Size": f"{plan.size.width}x{plan.size.height}",
        "Model hash": checkpoint.hash[:10] or None if settings["add_model_hash_to_info"] else None,
        "Model": checkpoint.stem if settings["add_model_name_to_info"] else None,
        "VAE hash": vae.hash[:10] or None if vae and settings["add_vae_hash_to_info"] else None,
        "VAE": vae.path.name if vae and settings["add_vae_name_to_info"] else None,
        "Variation seed": image.subseed if varied else None,
        "Variation seed strength": seed.subseed_strength if varied else None,
        "Seed resize from": f"{seed.resize_from_w}x{seed.resize_from_h}" if min(seed.resize_from_w, seed.resize_from_h) > 0 else None,
        "Denoising strength": job.init.denoising_strength if job.init else job.hires.denoising_strength if job.hires else None,
        "Conditional mask weight": extra.get("Conditional mask weight"),
        "Clip skip": _unless(1, job.conditioning.clip_skip),
        "ENSD": _unless(0, job.sampling.ensd) if plan.sampler.uses_ensd and job.sampling.eta else None,
        "Token merging ratio": _unless(0, job.model.token_merging_ratio),
        "Token merging ratio hr": _unless(0, settings["token_merging_ratio_hr"]) if job.hires else None,
        "Init image hash": plan.init_labels.get("Init image hash"),
        "RNG": _unless("GPU", job.sampling.noise_source),
        "Tiling": job.model.tiling or None,
    }


def _early(plan: Plan, index: int, unused: Collection[str]) -> dict[str, Any]:
    masks = {label: value for label, value in plan.init_labels.items() if label != "Init image hash"}
    known = {**masks, **_hires(plan, index), **plan.extra, **dict(plan.images[index].labels), **lora_hashes(plan, index, unused)}
    return {**known, "Old prompt editing timelines": _old_timelines_matter(plan) or None}


def _hires(plan: Plan, index: int) -> dict[str, Any]:
    image, labels = plan.images[index], dict(plan.hires_labels)
    first = {label: labels.pop(label, None) for label in ("Hires checkpoint", "Hires sampler")}
    prompts = {"Hires prompt": image.hires_prompt or None, "Hires negative prompt": image.hires_negative_prompt or None}
    return {**first, **prompts, **labels}


def _from_run(plan: Plan, extra: Mapping[str, str]) -> dict[str, Any]:
    return {
        "TI hashes": extra.get("TI hashes") if plan.settings["textual_inversion_add_hashes_to_infotext"] else None,
        "Emphasis": extra.get("Emphasis"),
    }


def _late(plan: Plan) -> dict[str, Any]:
    """What A1111 notes while it samples."""
    job, settings, sampler = plan.jobs[0], plan.settings, plan.sampler
    options, init, extra_noise = job.sampling, job.init, job.init.extra_noise if job.init else job.hires.extra_noise if job.hires else 0
    return {
        "Downcast alphas_cumprod": options.downcast_alphas or None,
        "Noise Schedule": _unless("Default", settings["sd_noise_schedule"]),
        "Noise multiplier": _unless(1, init.noise_multiplier) if init else None,
        "Discard penultimate sigma": (options.discard_next_to_last_sigma and not sampler.discard_next_to_last) or None,
        **_schedule(plan),
        "Extra noise": _unless(0, extra_noise),
        "SGM noise multiplier": (options.sgm_noise_multiplier and init is None and not sampler.timesteps) or None,
        "Eta": _unless(1, options.eta) if sampler.eta == "eta_ancestral" else None,
        "Eta DDIM": _unless(0, options.eta) if sampler.eta == "eta_ddim" else None,
        **{SETTINGS[name].infotext or name: _set(plan, name) for name in CHURN if name in sampler.noise_options},
        "Skip Early CFG": _unless(0, options.skip_early_cond),
        "NGMS": _unless(0, options.s_min_uncond),
        "NGMS all steps": (options.s_min_uncond_all and options.s_min_uncond != 0) or None,
    }


def _schedule(plan: Plan) -> dict[str, Any]:
    """Only of samplers that walk along a schedule of a name of its own."""
    options, scheduler = plan.jobs[0].sampling, plan.scheduler
    if plan.sampler.timesteps or scheduler.label == AUTOMATIC:
        return {}
    beta = scheduler.label == "Beta"
    return {
        "Schedule min sigma": _unless(0, options.sigma_min),
        "Schedule max sigma": _unless(0, options.sigma_max),
        "Schedule rho": options.rho if scheduler.default_rho != -1 and options.rho not in (0, scheduler.default_rho) else None,
        "Beta schedule alpha": options.beta_alpha if beta else None,
        "Beta schedule beta": options.beta_beta if beta else None,
    }


def _unforeseen(extra: Mapping[str, str]) -> dict[str, Any]:
    return {label: value for label, value in extra.items() if label not in ("TI hashes", "Emphasis", "Conditional mask weight", "Image CFG scale")}


def _end(plan: Plan) -> dict[str, Any]:
    return {"Version": VERSION if plan.settings["add_version_to_infotext"] else None}


def _unless(default: object, value: Any) -> Any:
    return None if value == default else value


def _set(plan: Plan, name: str) -> Any:
    """A setting of the sampler; as in A1111 what came as a field of the request is not told."""
    return _unless(SETTINGS[name].default, plan.settings[name]) if getattr(plan.request.sampling, name) is None else None


def _old_timelines_matter(plan: Plan) -> bool:
    job = plan.jobs[0]
    calls = job.sampling.steps * (2 if plan.sampler.second_order else 1)
    texts = (job.prompts[0], job.negative_prompts[0]) if job.conditioning.old_scheduling else ()
    return any(prompt_schedule(text, calls, old=True) != prompt_schedule(text, calls) for text in texts)
