"""What no adapter can carry, by dotted name, with what there is in its place."""

from collections.abc import Mapping
from types import MappingProxyType

ENGINE = (
    "The model lives in the engine, another process. LoRA, Hires. fix, refiner and samplers are features here; "
    "what changes the network itself has to be built as one."
)
PROMPTS = "Prompts are encoded in the engine. Change the prompt text, in process or before_process_batch."
SAMPLERS = "Samplers are rows of backend/sampling/names.py; a hook for them is told in docs/extensions.md where there is one."

# The longest name that a symbol starts with counts.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "ldm": ENGINE,
        "sgm": ENGINE,
        "k_diffusion": SAMPLERS,
        "lora": "LoRA is built in: <lora:name:weight>, with weights per block.",
        "networks": "LoRA is built in: <lora:name:weight>, with weights per block.",
        "lora_patches": "LoRA is built in: <lora:name:weight>, with weights per block.",
        "modules.sd_hijack": ENGINE,
        "modules.sd_hijack_optimizations": ENGINE,
        "modules.sd_hijack_unet": ENGINE,
        "modules.sd_hijack_clip": PROMPTS,
        "modules.sd_hijack_open_clip": PROMPTS,
        "modules.sd_unet": ENGINE,
        "modules.sd_vae_approx": ENGINE,
        "modules.sd_vae_taesd": ENGINE,
        "modules.lowvram": "--medvram and --lowvram are the engine's own business.",
        "modules.hypernetworks": "Hypernetworks are not supported; LoRA is.",
        "modules.textual_inversion": "Textual inversions are loaded by the engine; write their names into the prompt.",
        "modules.prompt_parser": PROMPTS,
        "modules.extra_networks.register_extra_network": "A kind of network is the engine's; there is no hook for it.",
        "modules.patches": "Nothing of the program can be patched; see the hooks of docs/extensions.md.",
        "modules.sd_samplers_kdiffusion": SAMPLERS,
        "modules.sd_samplers_cfg_denoiser": SAMPLERS,
        "modules.sd_samplers_common": SAMPLERS,
        "modules.sd_samplers_timesteps": SAMPLERS,
        "modules.sd_samplers_extra": SAMPLERS,
        "modules.sd_samplers.create_sampler": SAMPLERS,
        "modules.sd_models.load_model": "Name a checkpoint in p.override_settings['sd_model_checkpoint'].",
        "modules.sd_models.reload_model_weights": "Name a checkpoint in p.override_settings['sd_model_checkpoint'].",
        "modules.sd_models.load_model_weights": "Name a checkpoint in p.override_settings['sd_model_checkpoint'].",
        "modules.sd_models.read_state_dict": ENGINE,
        "modules.shared.sd_model.model": ENGINE,
        "modules.shared.sd_model.first_stage_model": ENGINE,
        "modules.shared.sd_model.cond_stage_model": PROMPTS,
        "modules.shared.sd_model.conditioner": PROMPTS,
        "modules.shared.sd_model.forge_objects": ENGINE,
        "modules.shared.sd_model.get_learned_conditioning": PROMPTS,
        "modules.script_callbacks.on_extra_noise": "Extra noise for Hires. fix and img2img is a setting; the callback is not there.",
        "modules.script_callbacks.on_model_loaded": "The engine loads models; p.override_settings['sd_model_checkpoint'] chooses one.",
        "modules.script_callbacks.on_list_optimizers": ENGINE,
        "modules.script_callbacks.on_list_unets": ENGINE,
        "modules.script_callbacks.on_before_component": "The page is not built of A1111's components. Controls of the script's own come from ui().",
        "modules.script_callbacks.on_after_component": "The page is not built of A1111's components. Controls of the script's own come from ui().",
        "modules.script_callbacks.on_ui_train_tabs": "There is no Train tab.",
        "modules.processing.process_images_inner": "process_images does the whole walk.",
        "modules.processing.create_random_tensors": ENGINE,
        "modules.processing.decode_first_stage": ENGINE,
        "modules.processing.txt2img_image_conditioning": ENGINE,
        "modules.processing.opt_C": ENGINE,
        "modules.processing.opt_f": ENGINE,
        "modules.devices.autocast": ENGINE,
        "modules.rng": ENGINE,
        "modules.safe": "Files with code in them are never loaded.",
        "modules.scripts_postprocessing": "Steps of the Extras tab are built in; there is no hook for one of A1111's form.",
        "modules.postprocessing": "Session.extras of a native extension does what the Extras tab does.",
        "modules.face_restoration": "Faces are restored by the program itself: the setting “Restore faces”, the API's restore_faces, or the Extras tab.",
        "modules.gfpgan_model": "Faces are restored by the program itself: the setting “Restore faces”, the API's restore_faces, or the Extras tab.",
        "modules.codeformer_model": "Faces are restored by the program itself: the setting “Restore faces”, the API's restore_faces, or the Extras tab.",
        "modules.interrogate": "There is no interrogation here.",
        "modules.deepbooru": "There is no interrogation here.",
    }
)
# Methods of a script that work on tensors in a step, or on components of A1111's own page.
REFUSED_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "process_before_every_sampling": ENGINE,
        "post_sample": ENGINE,
        "on_mask_blend": ENGINE,
        "after_extra_networks_activate": "Networks are patched in the engine. <lora:name:weight> with weights per block says what they do.",
        "before_component": "The page is not built of A1111's components. Controls of the script's own come from ui().",
        "after_component": "The page is not built of A1111's components. Controls of the script's own come from ui().",
    }
)
ELSE = "docs/a1111-scripts.md tells what is covered; docs/extensions.md tells what an extension for this program can do."
ASSIGNED = "What the program shares with scripts is not theirs to replace; see the hooks of docs/extensions.md."


def alternative(symbol: str) -> str:
    parts = symbol.split(".")
    return next((REFUSED[name] for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in REFUSED), ELSE)


def refused(symbol: str) -> bool:
    parts = symbol.split(".")
    return any(".".join(parts[:end]) in REFUSED for end in range(1, len(parts) + 1))
