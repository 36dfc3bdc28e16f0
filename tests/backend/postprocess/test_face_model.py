import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest
import torch

from backend.errors import WebUIError
from backend.postprocess.face_model import CALLS, load_face_model
from backend.postprocess.spandrel_library import load_spandrel
from tests.backend.postprocess.upscaler_files import save, tiny


def restoreformer() -> torch.nn.Module:
    load_spandrel()
    torch.manual_seed(0)
    return (
        import_module("spandrel.architectures.RestoreFormer")
        .RestoreFormer(
            n_embed=8,
            embed_dim=32,
            ch=32,
            out_ch=3,
            ch_mult=(1, 1),
            num_res_blocks=1,
            attn_resolutions=(16,),
            dropout=0.0,
            in_channels=3,
            resolution=512,
            z_channels=32,
            double_z=False,
            enable_mid=True,
            head_size=8,
        )
        .eval()
    )


@torch.inference_mode()
def test_a_restorer_is_known_by_its_tensors_and_gives_what_its_network_gives(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network = restoreformer()
    torch.save(network.state_dict(), tmp_path / "RestoreFormer.pth")
    model, face = load_face_model(tmp_path / "RestoreFormer.pth"), torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(model(face, 0.5), network(face)[0])
    assert model.call is CALLS["RestoreFormer"]


def test_a_file_that_restores_no_faces_is_named(tmp_path: Path):
    with pytest.raises(WebUIError, match=r"GFPGANv1\.4\.pth is damaged or restores no faces: it is none of GFPGAN, RestoreFormer, CodeFormer"):
        load_face_model(save(tiny("ESRGAN"), tmp_path / "GFPGANv1.4.pth"))


OTHER_PACKAGE = """
import torch
from spandrel import ArchRegistry, ArchSupport, Architecture, ImageModelDescriptor


class Network(torch.nn.Module):
    hyperparameters = {}

    def __init__(self):
        super().__init__()
        self.codebook = torch.nn.Parameter(torch.zeros(3))

    def forward(self, face, weight, adain):
        return face * weight + self.codebook.view(1, 3, 1, 1) * adain, None


class Arch(Architecture):
    def __init__(self):
        super().__init__(id="CodeFormer", detect=lambda state: "codebook" in state)

    def load(self, state_dict):
        same = {"supports_half": False, "supports_bfloat16": False, "scale": 1, "input_channels": 3, "output_channels": 3}
        return ImageModelDescriptor(Network(), state_dict, architecture=self, purpose="FaceSR", tags=[], **same)


EXTRA_REGISTRY = ArchRegistry()
EXTRA_REGISTRY.add(ArchSupport.from_architecture(Arch()))
"""


@torch.inference_mode()
def test_codeformer_comes_from_a_package_that_a_person_has_installed_with_its_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.save({"codebook": torch.tensor([0.1, 0.2, 0.3])}, tmp_path / "codeformer-v0.1.0.pth")
    with pytest.raises(WebUIError, match="restores no faces"):
        load_face_model(tmp_path / "codeformer-v0.1.0.pth")
    (tmp_path / "spandrel_extra_arches.py").write_text(OTHER_PACKAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    model = load_face_model(tmp_path / "codeformer-v0.1.0.pth")
    del sys.modules["spandrel_extra_arches"]
    assert model(torch.full((1, 3, 2, 2), 0.5), 0.4)[0, :, 1, 1].tolist() == pytest.approx([0.3, 0.4, 0.5])
