"""What sort of file it is – LoRA, LoHa, VAE, checkpoint, … – and who named its tensors; from the names, and shapes where names leave it open."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from backend.networks.names import Names

UNKNOWN = "unknown"
METADATA_ONLY = "metadata only"
# the part that stands for a kind; the kind with the most layers wins, of equal ones the first
_PARTS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("LoHa", ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")),
    ("LoKr", ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")),
    ("GLoRA", ("glora_a1", "glora_b1", "glora_a2", "glora_b2")),
    ("OFT", ("oft_blocks", "oft_diag")),
    ("IA3", ("on_input",)),
    ("LoRA", ("down", "up")),
)
_BESIDE: Sequence[tuple[str, tuple[str, ...]]] = (("DoRA", ("dora_scale",)), ("Norm", ("w_norm", "b_norm")), ("Full", ("diff",)))  # where no other is there
_OF_LORA = frozenset({"LoRA", "LoCon", "DoRA", "Control LoRA", "LoRA+TI bundle"})
_CONVOLUTIONS = ('_conv1_"', '_conv2_"', '_conv_shortcut_"', '_in_layers_2_"', '_out_layers_3_"', '_skip_connection_"', '_conv_"', '_0_op_"')
_TOKENS = ("<", "bundle_emb.", "emb_params", "clip_l", "clip_g")
_ADAPTERS = ("ip_adapter.", "image_proj.", "ip_adapter_proj_model.")
_WIDTHS = frozenset({768, 1024, 1280, 2048, 4096})  # of the text encoders that have textual inversions
_FLUX_INPUTS = 64  # channels of a patch; a control LoRA has the control picture's beside them

_KOHYA = ('"lora_unet', '"lora_te', '"oft_unet', '"oft_te')
_LDM = tuple(f"unet_{place}" for place in ("input_blocks_", "middle_block_", "output_blocks_", "time_embed_", "label_emb_", "out_0_", "out_2_"))
_DIFFUSERS = ('"unet.', '"transformer.', '"text_encoder.', '"text_encoder_2.', '"text_encoder_3.', '"prior.')
_SCHEMES: Sequence[tuple[str, Callable[[Names], bool]]] = (
    ("cloneofsimo", lambda names: _begins(names, '"unet:', '"text_encoder:')),
    ("index-list", lambda names: _begins(names, '"w_a_', '"weights.')),
    ("malformed", lambda names: _ends(names, ".to.q.", ".to.k.", ".to.v.") or _has_dotted_kohya(names)),
    ("onetrainer", lambda names: _begins(names, '"lora_transformer_', '"lora_prior_')),
    ("lycoris", lambda names: _begins(names, '"lycoris_')),
    ("kohya-ldm", lambda names: _begins(names, *_LDM)),
    ("kohya", lambda names: _begins(names, *_KOHYA) or not names.layers),
    ("comfyui", lambda names: _begins(names, '"diffusion_model.', '"text_encoders.', '"model.diffusion_model.')),
    ("peft", lambda names: _begins(names, "base_model.") or _has_adapter_name(names)),
    ("xlabs", lambda names: _ends(names, "_lora1.", "_lora2.")),
    ("diffusers", lambda names: _ends(names, ".lora.down.", ".lora.up.")),
    ("diffusers-old", lambda names: _ends(names, ".lora_linear_layer.", ".processor.", "_lora.down.", "_lora.up.")),
    ("onetrainer", lambda names: _begins(names, *_DIFFUSERS) and _ends(names, ".lora_down.", ".lora_up.")),
    ("transformer-original", lambda names: _begins(names, '"transformer.single_blocks.', '"transformer.double_blocks.')),
    ("diffusers-peft", lambda names: _begins(names, *_DIFFUSERS)),
    ("bfl", lambda names: _begins(names, '"double_blocks.', '"single_blocks.') and _ends(names, ".lora_A.", ".lora_B.")),
)

# what is no network: the first row of which one alternative's words are all there
_MODELS: Sequence[tuple[str, str, tuple[tuple[str, ...], ...]]] = (
    ("ControlNet", "diffusers", (('"controlnet_cond_embedding.',), ('"controlnet_down_blocks.',), ('"controlnet_x_embedder.',), ('"controlnet_blocks.',))),
    ("ControlNet", "ldm", (('"control_model.',), ('"input_hint_block.',))),
    ("IP-Adapter", "ip_adapter", (('"ip_adapter.',), ('"image_proj.',), ('"ip_adapter_proj_model.',))),
    ("T2I-Adapter", "diffusers", (('"adapter.body.',), ('"body.0.', ".block1."))),
    ("ControlLLLite", "kohya", (('"lllite_unet',),)),
    ("motion module", "animatediff", (("motion_modules.",),)),
    ("checkpoint", "ldm", (('"model.diffusion_model.',),)),
    ("VAE", "ldm", (('"first_stage_model.',), ('"decoder.conv_in.', '"decoder.up.'), ('"encoder.conv_in.', '"encoder.down.'))),
    ("VAE", "diffusers", (('"decoder.conv_in.', '"decoder.up_blocks.'), ('"encoder.conv_in.', '"encoder.down_blocks.'))),
    ("CLIP (text+vision)", "transformers", (('"text_model.', '"vision_model.'),)),
    ("CLIP (vision)", "transformers", (('"vision_model.',),)),
    ("text encoder", "transformers", (('"text_model.',), ('"encoder.block.0.layer.',), ('"model.layers.', ".self_attn."))),
    ("text encoder", "open_clip", (('"transformer.resblocks.',),)),
    ("upscaler", "RRDBNet", (('"conv_first.', ".rdb1."), ('"model.1.sub.0.RDB1.',), ('"RRDB_trunk.',))),
    ("upscaler", "other", (('"conv_first.',), ('"model.0.weight"', '"model.2.'))),
    ("diffusion model (UNet)", "diffusers", (('"conv_in.', '"down_blocks.'),)),
    ("diffusion model (UNet)", "ldm", (('"input_blocks.', '"output_blocks.'),)),
    ("diffusion model (transformer)", "diffusers", (('"transformer_blocks.',), ('"single_transformer_blocks.',))),
    ("diffusion model (transformer)", "original", (('"double_blocks.',), ('"joint_blocks.',), ('"blocks.', ".self_attn."), ('"layers.', ".attention."))),
)
# LyCORIS' algo → kind
_ALGORITHMS: Mapping[str, str] = MappingProxyType(
    {
        "lora": "LoRA", "locon": "LoCon", "loha": "LoHa", "lokr": "LoKr", "ia3": "IA3", "glora": "GLoRA",
        "diag-oft": "OFT", "boft": "BOFT", "full": "Full", "dylora": "LoRA",
    }
)  # fmt: skip


def network_kind(names: Names) -> str:
    """ "" for what is no network. An IP-Adapter may hold a LoRA and is none."""
    if any(name.startswith(_ADAPTERS) for name in names.rest):
        return ""
    counts = {kind: max(len(names.parts.get(part, ())) for part in parts) for kind, parts in _PARTS}
    kind = max(counts, key=counts.__getitem__)
    bundled = any(name.startswith(_TOKENS) for name in names.rest)
    if not counts[kind]:
        beside = next((kind for kind, parts in _BESIDE if any(part in names.parts for part in parts)), "")
        return beside or ("LoRA+TI bundle" if any(name.startswith("bundle_emb.") for name in names.rest) else "")
    if bundled:
        return "LoRA+TI bundle"
    if kind == "OFT" and any(len(names.shapes[name]) == 4 for name in names.parts.get("oft_blocks", {}).values()):
        return "BOFT"
    return _finer_lora(names) if kind == "LoRA" else kind


def network_also(names: Names, kind: str) -> tuple[str, ...]:
    """The other kinds in one file."""
    found = (row for row, parts in (*_PARTS, *_BESIDE) if any(part in names.parts for part in parts))
    return tuple(row for row in found if row != kind and not (row == "LoRA" and kind in _OF_LORA))


def _finer_lora(names: Names) -> str:
    if _is_control(names):
        return "Control LoRA"
    if "dora_scale" in names.parts:
        return "DoRA"
    return "LoCon" if "mid" in names.parts or _has_convolutions(names) else "LoRA"


def _is_control(names: Names) -> bool:
    if "lora_controlnet" in names.rest:
        return True
    return any(names.shape("down", layer)[1:] == (2 * _FLUX_INPUTS,) for layer in ("img_in", "transformer.x_embedder"))


def _has_convolutions(names: Names) -> bool:
    """By a kernel wider than 1 – a 1×1 proj_in is a linear layer in disguise – or by name."""
    shapes = (shape for part in ("down", "mid") for shape in names.all_shapes(part) if len(shape) > 2)
    return any(max(shape[2:]) > 1 for shape in shapes) or any(word in names.flat for word in _CONVOLUTIONS)


def network_scheme(names: Names) -> str:
    return next((scheme for scheme, is_so in _SCHEMES if is_so(names)), "bare")


def _begins(names: Names, *words: str) -> bool:
    return any(word in names.heads for word in words)


def _ends(names: Names, *words: str) -> bool:
    return any(word in names.tails for word in words)


def _has_dotted_kohya(names: Names) -> bool:
    """lora_unet_blocks_22.self_attn.k: neither kohya's nor dotted."""
    return _begins(names, *_KOHYA) and "." in "".join(names.layers) and any("." in layer and layer.startswith("lora_") for layer in names.layers)


def _has_adapter_name(names: Names) -> bool:
    """…lora_A.default.weight"""
    name = next(iter(names.parts.get("down", names.parts.get("up", {})).values()), "")
    return ".lora_A." in name and not name.endswith((".lora_A.weight", ".lora_A.bias"))


def model_kind(names: Names) -> tuple[str, str]:
    """(kind, scheme) of what is no network."""
    for kind, scheme, alternatives in _MODELS:
        if any(all(word in names.text for word in words) for words in alternatives):
            return kind, scheme
    scheme = _embedding(names)
    return ("TI embedding", scheme) if scheme else (UNKNOWN, UNKNOWN)


def _embedding(names: Names) -> str:
    """Scheme of a textual inversion; "" for what is none."""
    keys = set(names.shapes)
    if keys & {"clip_l", "clip_g"}:
        return "clip_g/clip_l"
    for scheme in ("emb_params", "t5xxl"):
        if scheme in keys:
            return scheme
    if any(key.startswith("string_to_param") for key in keys):
        return "string_to_param"
    tokens = (
        len(keys) == 1
        and not next(iter(keys)).endswith((".weight", ".bias"))
        and all(len(shape) in (1, 2) and shape[-1] in _WIDTHS for shape in names.shapes.values())
    )
    return "token name as key" if tokens or (keys and all(key.startswith("<") and key.endswith(">") for key in keys)) else ""


def said_kind(metadata: Mapping[str, str]) -> str:
    """What the trainer wrote down; for files whose tensors say nothing."""
    module = metadata.get("ss_network_module", "")
    if module.startswith("lycoris"):
        return _ALGORITHMS.get(_algorithm(metadata.get("ss_network_args", "")), UNKNOWN)
    return "LoRA" if "lora" in module or metadata.get("modelspec.architecture", "").endswith("/lora") else UNKNOWN


def _algorithm(arguments: str) -> str:
    try:
        content = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    return str(content.get("algo", "locon")).lower() if isinstance(content, dict) else ""
