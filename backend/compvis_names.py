"""CompVis' names of a model's parts by diffusers' and transformers' names: one table for checkpoints, networks, and what tells files apart."""

from collections.abc import Mapping
from types import MappingProxyType

UNET_ENDS: Mapping[str, str] = MappingProxyType(
    {
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
    }
)
UNET_RESNET: Mapping[str, str] = MappingProxyType(
    {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    }
)
OPENCLIP_LAYER: Mapping[str, str] = MappingProxyType(  # queries, keys and values are one matrix there
    {
        "self_attn.out_proj": "attn.out_proj",
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
)


def reversed_names(table: Mapping[str, str]) -> Mapping[str, str]:
    """diffusers' name by CompVis'."""
    return MappingProxyType({theirs: ours for ours, theirs in table.items()})
