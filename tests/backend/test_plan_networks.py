"""<lora:…> tags: what they ask for, and what each picture has of them."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import WebUIError
from backend.fields import to_request
from backend.job import FileRef, NetworkRef
from backend.networks.blocks import read_blocks
from backend.plan import plan
from backend.plan_networks import StepCounts, find_networks
from backend.plan_prompts import PicturePrompts, picture_prompts
from backend.request import Hires
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog, entry
from tests.backend.planned import CATALOG, SHA, STYLES, planned


def networks(prompt: str) -> tuple[NetworkRef, ...]:
    return planned(prompt=prompt).jobs[0].networks


@pytest.mark.parametrize(
    ("tag", "te", "unet", "dyn"),
    [
        ("<lora:ink>", 1.0, 1.0, None),
        ("<lora:ink:0.5>", 0.5, 0.5, None),
        ("<lora:ink:0.5:0.2>", 0.5, 0.2, None),
        ("<lora:ink:0.5:0.2:4>", 0.5, 0.2, 4),
        ("<lora:ink:te=0.1>", 0.1, 0.1, None),
        ("<lora:ink:1:unet=0.3>", 1.0, 0.3, None),
        ("<lora:ink:0.7:dyn=2>", 0.7, 0.7, 2),
        ("<lyco:ink:-0.5>", -0.5, -0.5, None),
        ("<lora:ink:0>", 0.0, 0.0, None),
    ],
)
def test_weights_go_by_position_and_by_name(tag: str, te: float, unet: float, dyn: int | None):
    expected = NetworkRef(file=FileRef(name="ink.safetensors"), label="ink", te_weight=te, unet_weight=unet, dyn=dyn)
    assert networks(f"a cat {tag}") == (expected,)


def test_a_lora_is_found_by_alias_and_hashed_under_the_name_written():
    decided = planned(prompt="<lora:oil_v2:1> <lora:ink:1>")
    assert [network.file.name for network in decided.jobs[0].networks] == ["style/Oil.safetensors", "ink.safetensors"]
    assert decided.images[0].hashes == (("oil_v2", "bbbbbbbbbbbb"), ("ink", "aaaaaaaaaaaa"))


def test_hashes_are_left_out_if_the_setting_says_so():
    assert planned({"lora_add_hashes_to_infotext": False}, prompt="<lora:ink:1>").images[0].hashes == ()


@pytest.mark.parametrize(
    ("prompt", "comment"),
    [
        ("<lora:nope:1>", "Networks not found: nope"),
        ("<lora:oil:1>", "Networks not found: oil (there is Oil)"),
        ("<lora:ink:much>", "<lora:ink:much> does nothing: 'much' is no number."),
        ("<lora:ink:nan>", "<lora:ink:nan> does nothing: 'nan' is no number."),
        ("<hypernet:x:1>", "<hypernet:x:1> does nothing: 'hypernet' is no extra network that is known here."),
    ],
)
def test_a_tag_that_cannot_be_used_becomes_a_comment(prompt: str, comment: str):
    decided = planned(prompt=f"a cat {prompt}<lora:ink:1>")
    assert decided.comments == (f"Error: {comment}",)
    assert [network.label for network in decided.jobs[0].networks] == ["ink"]
    assert decided.jobs[0].prompts == ("a cat ",)


def test_a_name_of_several_files_draws_a_comment_and_a_path_does_not():
    catalog = FakeCatalog([entry("checkpoint", "x.safetensors", SHA), *(entry("lora", f"{name}.safetensors") for name in ("styles/ink", "b/ink", "ink"))])
    decided = planned(catalog=catalog, prompt="a cat <lora:ink:1><lora:ink:0.5>")
    assert decided.comments == ("There are 3 Loras named ink: styles/ink is used; for the others write b/ink or ink.safetensors.",)
    assert [network.file.name for network in decided.jobs[0].networks] == ["styles/ink.safetensors"] * 2
    assert planned(catalog=catalog, prompt="a cat <lora:b/ink.safetensors:1>").comments == ()


def test_a_tag_in_the_negative_prompt_stays_text_with_a_hint():
    decided = planned(prompt="a cat", negative_prompt="ugly <lora:ink:1>")
    assert (decided.jobs[0].networks, decided.jobs[0].negative_prompts) == ((), ("ugly <lora:ink:1>",))
    assert "<lora:ink:1> in the negative prompt" in decided.comments[0]


def test_without_extra_networks_tags_are_cut_out_and_nothing_else():
    decided = planned({"sd_lora": "ink"}, prompt="a cat <lora:ink:1><lora:nope:1>", disable_extra_networks=True)
    assert (decided.jobs[0].networks, decided.jobs[0].prompts, decided.images[0].hashes, decided.comments) == ((), ("a cat ",), (), ())


def test_the_default_network_is_added_once():
    settings = {"sd_lora": "ink", "extra_networks_default_multiplier": 0.5}
    assert planned(settings, prompt="a cat").images[0].prompt == "a cat<lora:ink:0.5>"
    assert planned(settings, prompt="a cat").jobs[0].networks[0].te_weight == 0.5
    assert planned(settings, prompt="a cat <lora:ink:1>").images[0].prompt == "a cat <lora:ink:1>"


SEVENTEEN = ",".join(["0.5"] * 17)


def test_block_weights_come_as_numbers_or_by_name():
    (ink,) = networks(f"<lora:ink:0.8:lbw={SEVENTEEN}>")
    assert (ink.te_weight, ink.blocks) == (0.8, read_blocks(SEVENTEEN))
    assert networks("<lora:ink:0.8:lbw=OUTD>")[0].blocks == read_blocks("OUTD")
    assert planned({"lora_block_presets": "MINE:OUTD"}, prompt="<lora:ink:1:lbw=MINE>").jobs[0].networks[0].blocks == read_blocks("OUTD")


def test_block_weights_that_are_none_leave_the_network_as_it_is_with_a_comment():
    decided = planned(prompt="<lora:ink:1:lbw=1,2,3>")
    assert decided.jobs[0].networks[0].blocks == ()
    (comment,) = decided.comments
    assert comment.startswith("Error: <lora:ink:1:lbw=1,2,3> is used without block weights: 3 block weights: 17 or 26 numbers are needed")


@pytest.mark.parametrize(
    ("tag", "start", "stop"),
    [
        ("start=0.5", 10, None),
        ("start=5", 5, None),
        ("stop=0.25", 0, 5),
        ("stop=.25", 0, 5),
        ("stop=1", 0, 1),
        ("stop=1.0", 0, None),
        ("stop=20", 0, None),
        ("start=3:stop=0.6", 3, 12),
        ("step=3-12", 3, 12),
        ("step=0.5-1.0", 10, None),
        ("start=99", 20, None),
        ("start=0", 0, None),
    ],
)
def test_a_network_starts_and_stops_at_a_fraction_or_a_step(tag: str, start: int, stop: int | None):
    (ink,) = networks(f"<lora:ink:1:{tag}>")
    assert (ink.start, ink.stop) == (start, stop)


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("start=0.6:stop=0.3", "<lora:ink:1:start=0.6:stop=0.3> changes no step: of 20 it starts after 12 and stops after 6."),
        ("start=99", "<lora:ink:1:start=99> changes no step: of 20 it starts after 20 and stops after 20."),
        ("stop=-1", "Error: <lora:ink:1:stop=-1> does nothing: '-1' is no step."),
        ("start=soon", "Error: <lora:ink:1:start=soon> does nothing: 'soon' is no number."),
        ("strength=2", "<lora:ink:1:strength=2>: strength= means nothing here. Known: dyn, hr, lbw, start, step, stop, te, unet."),
    ],
)
def test_what_a_tag_says_in_vain_is_told(tag: str, told: str):
    assert planned(prompt=f"<lora:ink:1:{tag}>").comments == (told,)


@pytest.mark.parametrize(
    ("tag", "first", "second"),
    [
        ("1", (1, 0, None), (1, 0, None)),
        ("1:hr=0.4", (1, 0, None), (0.4, 0, None)),
        ("1:hr=0", (1, 0, None), (0, 0, None)),
        ("1:stop=0.5", (1, 0, 10), (1, 0, 0)),
        ("1:start=0.5", (1, 10, None), (1, 0, None)),
        ("1:start=1.5", (1, 20, None), (1, 4, None)),
        ("1:stop=24", (1, 0, None), (1, 0, 4)),
        ("1:stop=0.5:hr=0.7", (1, 0, 10), (0.7, 0, None)),
    ],
)
def test_steps_count_through_both_passes_and_hr_is_the_weight_of_the_second(tag: str, first: tuple, second: tuple):
    def found(*, hires: bool) -> tuple:
        (ink,) = find_networks(f"<lora:ink:{tag}>", CATALOG, StepCounts(20, 8), hires=hires).networks
        return ink.unet_weight, ink.start, ink.stop

    assert (found(hires=False), found(hires=True)) == (first, second)


@given(st.text(alphabet="<lora:ink=.,-+0123456789tehrsop b>", max_size=60), st.sampled_from(["lbw", "start", "stop", "step", "hr", "te", "dyn"]))
def test_no_tag_is_too_odd_to_plan(text: str, name: str):
    decided = planned(prompt=f"a cat <lora:ink:1:{name}={text}>{text}")
    assert all(math.isfinite(network.unet_weight) for network in decided.jobs[0].networks)


# ---- a prompt for each picture


def test_every_picture_has_the_networks_of_its_own_prompt():
    prompts = ("a <lora:ink:1>", "b <lora:ink:1>", "c", "d <lora:Oil:0.5>")
    decided = plan(replace(to_request({"batch_size": 2, "n_iter": 2, "seed": 5}), prompts=prompts), Settings(), CATALOG, STYLES, draw=random.Random(0))
    assert [job.prompts for job in decided.jobs] == [("a ", "b "), ("c",), ("d ",)]
    assert [job.seeds for job in decided.jobs] == [(5, 6), (7,), (8,)]
    assert [[network.label for network in job.networks] for job in decided.jobs] == [["ink"], [], ["Oil"]]
    assert [image.hashes for image in decided.images] == [(("ink", "aaaaaaaaaaaa"),)] * 2 + [(), (("Oil", "bbbbbbbbbbbb"),)]
    assert [image.prompt for image in decided.images] == list(prompts)


def test_pictures_may_have_negative_prompts_of_their_own_and_styles_are_merged_into_each():
    request = replace(to_request({"prompt": "a cat", "n_iter": 2, "styles": ["Cinematic"]}), negative_prompts=("dog", "bird"))
    decided = plan(request, Settings(), CATALOG, STYLES, draw=random.Random(0))
    assert [image.negative_prompt for image in decided.images] == ["dog, cartoon", "bird, cartoon"]
    assert {image.prompt for image in decided.images} == {"cinematic a cat"}


def test_the_hires_pass_has_the_networks_of_its_own_prompt_or_the_pictures():
    request = replace(to_request({"steps": 10, "n_iter": 2}), prompts=("a <lora:ink:1:hr=0.5>", "b <lora:ink:1:stop=1.5>"))

    def decided(hires: Hires) -> list[PicturePrompts]:
        return list(picture_prompts(replace(request, hires=hires), Settings(), STYLES, CATALOG))

    first, second = decided(Hires(steps=4))
    assert [[(ref.unet_weight, ref.stop) for ref in refs] for refs in first.networks] == [[(1, None)], [(0.5, None)]]
    assert [[(ref.unet_weight, ref.stop) for ref in refs] for refs in second.networks] == [[(1, None)], [(1, 2)]]
    (own, _) = decided(Hires(prompt="c <lora:Oil:1>"))
    assert own.hires and (own.hires.networks.text, own.hires.prompt) == ("c ", "c <lora:Oil:1>")
    assert own.hashes == (("ink", "aaaaaaaaaaaa"), ("Oil", "bbbbbbbbbbbb"))
    assert [[ref.label for ref in refs] for refs in own.networks] == [["ink"], ["Oil"]]


def test_too_few_prompts_are_refused():
    with pytest.raises(WebUIError, match="The number of prompts is 1, that of pictures 2"):
        plan(replace(to_request({"batch_size": 2}), prompts=("a",)), Settings(), CATALOG, STYLES, draw=random.Random(0))
