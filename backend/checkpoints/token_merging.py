"""Token merging (Bolya and Hoffman 2023, "Token Merging for Fast Stable Diffusion"): similar tokens share one self-attention query.

Without randomness, in cells of 2×2 tokens, at the U-Net's full resolution only, as A1111 uses it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 2  # the top left token of each 2×2 cell stays; the other three may be merged into one that stays

Merge = Callable[[Tensor], Tensor]


def merging(tokens: Tensor, height: int, width: int, ratio: float) -> tuple[Merge, Merge]:
    """tokens: (B, height·width, C), by whose likeness is merged → (merge, unmerge), both (B, n, C) → (B, n', C)."""
    batch, count, _ = tokens.shape
    stay, may_go = _cells(height, width, tokens.device)
    merged = min(may_go.shape[0], int(count * ratio))
    metric = F.normalize(tokens, dim=-1)
    likeness = metric[:, may_go] @ metric[:, stay].transpose(-1, -2)  # (B, may go, stay)
    best, partner = likeness.max(dim=-1)
    order = best.argsort(dim=-1, descending=True, stable=True)
    going, alone = order[:, :merged], order[:, merged:]  # the most alike go
    target = partner.gather(1, going)  # (B, merged) index into stay
    going, alone = may_go[going], may_go[alone]  # index into the tokens

    def merge(x: Tensor) -> Tensor:
        width = x.shape[-1]
        kept = x[:, stay].scatter_reduce(1, _wide(target, width), x.gather(1, _wide(going, width)), reduce="mean")
        return torch.cat([x.gather(1, _wide(alone, width)), kept], dim=1)

    def unmerge(x: Tensor) -> Tensor:
        width = x.shape[-1]
        left, kept = x[:, : alone.shape[1]], x[:, alone.shape[1] :]
        out = torch.empty(batch, count, width, dtype=x.dtype, device=x.device)
        out[:, stay] = kept
        out.scatter_(1, _wide(alone, width), left)
        return out.scatter_(1, _wide(going, width), kept.gather(1, _wide(target, width)))

    return merge, unmerge


def _cells(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices of the tokens that stay and of those that may go; a last odd row or column has no cell of its own and may go."""
    stays = torch.zeros(height, width, dtype=torch.bool)
    stays[: height // CELL * CELL : CELL, : width // CELL * CELL : CELL] = True
    flat = stays.flatten()
    return flat.nonzero()[:, 0].to(device), (~flat).nonzero()[:, 0].to(device)


def _wide(index: Tensor, width: int) -> Tensor:
    return index[..., None].expand(-1, -1, width)
