"""A file that is no Stable Diffusion checkpoint: one sentence that says what it is instead, and where it belongs."""

from collections.abc import Mapping

# what a name contains or starts with → what the file is
_CONTAINS = (
    ((".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", ".hada_w1", ".lokr_w", ".oft_blocks"), "is a LoRA: move it to models/Lora."),
    (("emb_params", "string_to_param"), "is a textual inversion: move it to the embeddings folder."),
    (("control_model.", "controlnet_cond_embedding."), "is a ControlNet model, not a checkpoint."),
    (("double_blocks.", "single_blocks."), "is a Flux model: only SD 1.x, SD 2.x and SDXL are supported."),
    (("joint_blocks.",), "is an SD 3 model: only SD 1.x, SD 2.x and SDXL are supported."),
    (("down_blocks.0.resnets.0.time_emb_proj.",), "is a U-Net in diffusers' layout: get the model as a single-file checkpoint."),
)
_VAE = ("first_stage_model.decoder.", "decoder.")


def explain_unknown(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """name: the file's; shapes: of its tensors, none of which is the U-Net of an SD checkpoint."""
    for words, what in _CONTAINS:
        if any(word in key for key in shapes for word in words):
            return f"{name} {what}"
    if any(key.startswith(_VAE) for key in shapes):
        return f"{name} is a VAE: move it to models/VAE."
    if not shapes:
        return f"{name} contains no weights: download it again."
    return f"{name} is no Stable Diffusion checkpoint: its tensors ({next(iter(shapes))}, …) are of an unknown layout."
