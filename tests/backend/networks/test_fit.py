import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.networks.fit import Checkpoint, Fit, describe, describe_shapes, fit, fits_family, with_words
from backend.networks.layout import Layout
from backend.safetensors_header import Header, TensorInfo, read_header
from tests.architecture import Source, reaches
from tests.header_items import COLUMNS, Item, read_item, read_items

ROOT = Path(__file__).parent.parent.parent.parent
ITEMS = read_items()
WHOLE_NETWORKS = [item for item in ITEMS if "modules" in item.what and "family" not in item.open]
SD1_NAMES = "ckpt_ldm_sd1_names"
Shapes = Mapping[str, tuple[int, ...]]


def header(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Header:
    return Header(metadata or {}, {name: TensorInfo("F16", shape, (0, 0)) for name, shape in shapes.items()}, 8)


def lora(layer: str, rows: int, columns: int, rank: int = 4) -> dict[str, tuple[int, ...]]:
    return {f"{layer}.lora_down.weight": (rank, columns), f"{layer}.lora_up.weight": (rows, rank), f"{layer}.alpha": ()}


def whole_lora(layout: Layout) -> dict[str, tuple[int, ...]]:
    """A LoRA of every linear layer and 1×1 convolution of the U-Net, in kohya's names."""
    weights = {path: shape for path, shape in layout.modules["unet"].items() if len(shape) > 1 and shape[2:] in ((), (1, 1))}
    return {key: value for path, shape in weights.items() for key, value in lora(f"lora_unet_{path.replace('.', '_')}", shape[0], shape[1]).items()}


@pytest.fixture(scope="module")
def sdxl() -> Checkpoint:
    checkpoint = Checkpoint.read(header(read_item("sdxl_unet_diffusers_inv").shapes))
    assert checkpoint is not None
    return checkpoint


@pytest.fixture(scope="module")
def sd1() -> Checkpoint:
    """Of this one the names are known, and few shapes."""
    checkpoint = Checkpoint.read(header(read_item(SD1_NAMES).shapes))
    assert checkpoint is not None
    return checkpoint


# --------------------------------------------------------------------------- what it is


@pytest.mark.parametrize("sidecar", [{}, {"sd version": "SD2"}])
@pytest.mark.parametrize("item", [item for item in ITEMS if any(item.shapes.values())], ids=lambda item: item.name)
def test_the_words_beside_the_tensors_can_be_heard_afterwards(item: Item, sidecar: dict[str, str]):
    shapes = {name: shape or (0,) for name, shape in item.shapes.items()}
    told = with_words(describe_shapes(shapes, {}), item.metadata, sidecar)
    assert replace(told, rank=None) == replace(describe_shapes(shapes, item.metadata, sidecar), rank=None)  # names without shapes have a rank by words


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_a_real_file_is_told_by_its_header(item: Item, tmp_path: Path):
    told = describe(read_header(item.write(tmp_path / "file.safetensors")))
    columns = [column for column in COLUMNS if column not in item.open]
    assert {column: getattr(told, column) for column in columns} == {column: item.what[column] for column in columns}


@pytest.mark.parametrize("item", [item for item in ITEMS if "modules" in item.what], ids=lambda item: item.name)
def test_the_layers_of_each_model_are_counted(item: Item):
    assert describe_shapes(item.shapes, item.metadata).modules == item.what["modules"]


@pytest.mark.parametrize("item", [item for item in ITEMS if "ranks" in item.what], ids=lambda item: item.name)
def test_each_rank_is_counted(item: Item):
    told = describe_shapes(item.shapes, item.metadata)
    assert {str(rank): count for rank, count in told.ranks.items()} == item.what["ranks"]


@pytest.mark.parametrize("item", [item for item in ITEMS if "family" in item.open and item.what["family"] == "SD1"], ids=lambda item: item.name)
def test_sd1_is_never_guessed(item: Item):
    told = describe_shapes(item.shapes, item.metadata)
    assert told.family != "SD1"
    assert "SD1" in told.families


@given(st.data())
def test_a_part_of_a_file_never_names_another_family(data: st.DataObject):
    item = data.draw(st.sampled_from(WHOLE_NETWORKS))
    names = list(item.shapes)
    start = data.draw(st.integers(0, len(names) - 1))
    part = names[start : start + data.draw(st.integers(1, 40))]
    shown = data.draw(st.booleans())
    told = describe_shapes({name: item.shapes[name] if shown else () for name in part}, {})
    assert not told.families or item.what["family"] in told.families


def test_a_trainer_that_writes_sd1_into_every_file_is_not_believed():
    flux = lora("transformer.single_transformer_blocks.7.proj_out", 3072, 15360)
    told = describe_shapes(flux, {"ss_base_model_version": "sd_1.5"})
    assert (told.family, told.source) == ("Flux", "keys")


@pytest.mark.parametrize(("said", "family"), [("sd_v1", "SD1"), ("sd_v2_768_v", "SD2"), ("sdxl_base_v1-0", "SD1/SD2"), ("", "SD1/SD2")])
def test_a_trainer_chooses_only_among_what_the_tensors_leave_open(said: str, family: str):
    told = describe_shapes(lora("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 320, 320), {"ss_base_model_version": said})
    assert told.family == family


@pytest.mark.parametrize("unsaid", ["", "Unknown", None, 3])
def test_a_persons_word_wins(unsaid: object):
    names = header(lora("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 640, 2048))
    assert (describe(names, {"sd version": "SD1"}).family, describe(names, {"sd version": "SD1"}).source) == ("SD1", "sidecar")
    assert describe(names, {"sd version": unsaid}).family == "SDXL"


@pytest.mark.parametrize(("width", "family"), [(768, "SD1"), (1024, "SD2"), (2048, "SDXL")])
def test_what_cross_attention_sees_tells_the_family_in_every_kind(width: int, family: str):
    layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    kinds = {
        "LoRA": lora(layer, 1280, width),
        "LoHa": {f"{layer}.hada_w{n}_{end}": (1280, 4) if end == "a" else (4, width) for n in (1, 2) for end in "ab"},
        "LoKr": {f"{layer}.lokr_w1": (4, 4), f"{layer}.lokr_w2_a": (320, 8), f"{layer}.lokr_w2_b": (8, width // 4)},
        "GLoRA": {f"{layer}.b1.weight": (1280, 4), f"{layer}.b2.weight": (4, width), f"{layer}.a1.weight": (width, 4), f"{layer}.a2.weight": (4, width)},
        "Full": {f"{layer}.diff": (1280, width)},
    }
    for kind, shapes in kinds.items():
        told = describe_shapes(shapes, {})
        assert (told.kind, told.family) == (kind, family)


def test_further_kinds_in_a_file_are_named():
    told = describe_shapes({"lora_unet_a.lokr_w1": (4, 4), "lora_unet_a.lokr_w2": (4, 4), "lora_unet_a.dora_scale": (16, 1), "lora_unet_b.w_norm": (4,)}, {})
    assert (told.kind, told.also, told.rank) == ("LoKr", ("DoRA", "Norm"), None)


def test_nothing_is_told_of_an_empty_file():
    told = describe_shapes({}, {})
    assert (told.kind, told.family, told.rank) == ("unknown", "unknown", None)


FRAGMENTS = (
    *("lora_unet_", "lora_te_", "lora_te2_", "unet.", "transformer.", "down_blocks", "double_blocks", "single_transformer_blocks", "blocks_", "layers"),
    *("attn2", "to_k", ".", "_", "0", "18", "99999999999999999999", "unet:0", ":down", "<s1>", '"', "\\", "é", "\u0000", "w_a_0", "clip_l", "emb_params"),
    *(".lora_down", ".lora_up", ".lora_A", ".weight", ".bias", ".alpha", ".hada_w1_a", ".hada_w1_b", ".hada_t1", ".lokr_w1", ".lokr_w2_b", ".lokr_t2"),
    *(".b1", ".b2", ".oft_blocks", ".oft_diag", ".w_norm", ".on_input", ".diff", ".dora_scale", ".lora_mid", "lora.down", "model.diffusion_model.", "qkv"),
)
NAMES = st.lists(st.sampled_from(FRAGMENTS), min_size=0, max_size=7).map("".join) | st.text(max_size=20)
FUZZED = st.dictionaries(NAMES, st.lists(st.sampled_from((0, 1, 3, 4, 64, 768, 2048, 2**70)), max_size=5).map(tuple), max_size=12)
SAID = st.dictionaries(st.sampled_from(("ss_network_dim", "ss_network_module", "ss_network_args", "ss_v2", "modelspec.architecture")), st.text(max_size=12))


@given(FUZZED, SAID, st.none() | st.dictionaries(st.just("sd version"), st.text() | st.integers()))
def test_no_header_is_too_odd(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str], sidecar: dict[str, object] | None):
    names = header(shapes, metadata)
    told = describe(names, sidecar)
    assert told.kind and told.scheme and told.line and told.as_dict()
    checkpoint = Checkpoint.read(header({**{name: shape for name, shape in read_item(SD1_NAMES).shapes.items() if "blocks.1." in name}, **shapes}))
    assert checkpoint is None or fit(names, checkpoint).text


def test_telling_costs_less_than_reading_the_header(tmp_path: Path):
    path = read_item("sd1_lora_kohya_inv_shinkai").write(tmp_path / "file.safetensors")
    read = read_header(path)
    assert best_of(lambda: describe(read)) < best_of(lambda: read_header(path))


def best_of(work) -> float:
    times = []
    for _ in range(10):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


def test_torch_is_not_needed():
    source = Source.read(ROOT, ("backend",))
    assert not reaches(source, ("backend.networks.fit",), ("torch", "safetensors"))


# --------------------------------------------------------------------------- what it fits


def test_a_lora_of_the_checkpoints_own_layers_fits_wholly(sdxl: Checkpoint):
    shapes = whole_lora(sdxl.layout)
    result = fit(header(shapes), sdxl)
    assert (result.fitting, result.total, result.misfits) == (len(shapes) // 3, len(shapes) // 3, ())
    assert result.text == f"{result.total} of {result.total} layers"


def test_compvis_names_find_the_same_layers(sdxl: Checkpoint):
    result = fit(header(read_item("sdxl_lora_kohya-ldm_inv_alien").shapes), sdxl)
    assert (result.fitting, result.total) == (722, 986)  # the U-Net alone has no text encoders
    assert "the checkpoint has no lora_te1_text_model_encoder_layers_0_mlp_fc1" in result.because


def test_a_checkpoint_file_has_the_layers_of_its_text_encoder_too(sd1: Checkpoint):
    assert fit(header(read_item("sd1_lora_kohya_inv_shinkai").shapes), sd1).text == "264 of 264 layers"


def test_a_layer_of_another_shape_does_not_fit(sdxl: Checkpoint):
    shapes = whole_lora(sdxl.layout)
    layer = "lora_unet_mid_block_attentions_0_proj_in"
    result = fit(header({**shapes, **lora(layer, 640, 1280)}), sdxl)
    assert result.misfits == (layer,)
    assert result.text.endswith(f"because {layer} is of another shape (640 × 1280, in the checkpoint 1280 × 1280)")


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("flux_lora_kohya_inv", "it is for Flux, which this program does not run"),
        ("wan_lora_kohya_rb_i2v", "it is for Wan, which this program does not run"),
        ("sd_vae_diffusers_inv", "it is a VAE, no LoRA"),
        ("meta_civitai_seed_sdxl", "it tells no layers"),
    ],
)
def test_what_fits_nothing_says_why(name: str, because: str, sdxl: Checkpoint):
    result = fit(header(read_item(name).shapes, read_item(name).metadata), sdxl)
    assert (result.fitting, result.text) == (0, f"not at all, because {because}")


def test_a_file_for_another_family_is_named_even_if_some_layers_fit_by_chance(sdxl: Checkpoint):
    result = fit(header(read_item("sd1_lora_kohya_inv_shinkai").shapes), sdxl)
    assert result.fitting < result.total
    assert result.because == "it is for SD1 and the checkpoint is SDXL"


def test_an_inpainting_checkpoint_takes_a_lora_of_the_plain_one():
    names = {f"model.diffusion_model.{name}": shape for name, shape in {"input_blocks.0.0.weight": (320, 9, 3, 3), "out.2.weight": (4, 320, 3, 3)}.items()}
    checkpoint = Checkpoint.read(header(names))
    assert checkpoint is not None
    conv = {"lora_unet_conv_in.lora_down.weight": (4, 4, 3, 3), "lora_unet_conv_in.lora_up.weight": (320, 4, 1, 1)}
    assert fit(header(conv), checkpoint) == Fit(fitting=1, total=1, because="", misfits=())


@pytest.mark.parametrize(
    ("part", "right", "wrong"),
    [("oft_blocks", (8, 80, 80), (8, 40, 40)), ("oft_diag", (10, 64, 64), (5, 64, 64)), ("oft_blocks", (3, 8, 80, 80), (3, 8, 40, 40))],
)
def test_rotations_are_as_wide_as_the_layer(part: str, right: tuple[int, ...], wrong: tuple[int, ...], sdxl: Checkpoint):
    layer = "lora_unet_down_blocks_1_attentions_0_proj_in"
    assert fit(header({f"{layer}.{part}": right}), sdxl).fitting == 1
    assert fit(header({f"{layer}.{part}": wrong}), sdxl).fitting == 0


def test_what_is_no_checkpoint_has_no_layout():
    assert Checkpoint.read(header(read_item("sd_vae_diffusers_inv").shapes)) is None
    assert Checkpoint.read(header(read_item("sd1_lora_diffusers_pokemon").shapes)) is None


def test_a_family_alone_tells_whether_a_file_may_fit():
    told = describe_shapes(lora("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 320, 320), {})
    assert [fits_family(told, family) for family in ("SD1", "SD2", "SDXL")] == [None, None, False]
    assert fits_family(describe_shapes(lora("lora_unet_x", 4, 4), {}), "SD1") is None
