"""--medvram and --lowvram: what is moved when."""

import pytest
import torch
from torch import nn

from backend.checkpoints.offload import Offload


class Mover(nn.Module):
    """Notes where it is sent."""

    def __init__(self, name: str, moves: list[tuple[str, str]]) -> None:
        super().__init__()
        self.name, self.moves = name, moves

    def to(self, device):
        self.moves.append((self.name, str(device)))
        return self

    def forward(self):
        return self.name


@pytest.fixture
def moves() -> list[tuple[str, str]]:
    return []


def test_one_unit_at_a_time_is_on_the_device(moves: list[tuple[str, str]]):
    text, unet = Mover("text", moves), Mover("unet", moves)
    offload = Offload(torch.device("cuda"))
    offload.register([text], text)
    offload.register([unet], unet)
    for module in (text, text, unet, unet, text):
        offload.bring(module)
    assert moves == [("text", "cuda"), ("text", "cpu"), ("unet", "cuda"), ("unet", "cpu"), ("text", "cuda")]


def test_parts_of_a_unit_bring_the_whole(moves: list[tuple[str, str]]):
    unet, block = Mover("unet", moves), Mover("block", moves)
    offload = Offload(torch.device("cuda"))
    offload.register([unet, block], unet)
    offload.hook([block])
    assert block() == "block"
    assert moves == [("unet", "cuda")]


def test_what_was_not_registered_stays(moves: list[tuple[str, str]]):
    Offload(torch.device("cuda")).bring(Mover("x", moves))
    assert moves == []
