from dataclasses import replace
from datetime import datetime, timezone
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.images.filenames import MOST_BYTES, Facts, Names, expand, expand_folder, shorten

FACTS = Facts(
    image=Image.new("RGB", (640, 512), "red"),
    now=datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc).astimezone(None).replace(hour=5, minute=6, second=7),
    started=datetime(2026, 3, 4, 5, 6, 0),
    prompt="a cat, on a: sofa",
    negative_prompt="ugly",
    prompt_no_styles="a cat",
    styles=("Cinematic", "Tagged"),
    seed=1235,
    seed_first=1234,
    seed_last=1237,
    steps=20,
    cfg=7.0,
    sampler="DPM++ 2M",
    scheduler="Karras",
    own_schedule=True,
    model_name="tiny:sd1",
    model_hash="ecbf2ab887",
    vae_filename="",
    clip_skip=2,
    batch_size=2,
    n_iter=2,
    index=3,
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[seed]", "1235"),
        ("[seed_first]-[seed_last]", "1234-1237"),
        ("[steps]-[cfg]-[width]x[height]", "20-7.0-640x512"),
        ("[styles]", "Cinematic, Tagged"),
        ("[sampler]", "DPM++ 2M"),
        ("[scheduler]", "Karras"),
        ("[sampler_scheduler]", "DPM++ 2M"),
        ("[model_name]", "tiny_sd1"),
        ("[model_hash]", "ecbf2ab887"),
        ("[date]", "2026-03-04"),
        ("[datetime]", "20260304050607"),
        ("[datetime<%Y>]", "2026"),
        ("[datetime<%H:%M><Nowhere/Else>]", "05_06"),
        ("[job_timestamp]", "20260304050600"),
        ("[prompt]", "a_cat,_on_a__sofa"),
        ("[prompt_spaces]", "a cat, on a_ sofa"),
        ("[prompt_no_styles]", "a cat"),
        ("[prompt_words]", "a cat on a sofa"),
        ("[prompt_hash]", "74dc84f1"),
        ("[prompt_hash<4>]", "74dc"),
        ("[batch_number]", "2"),
        ("[batch_size]", "2"),
        ("[generation_number]", "4"),
        ("[hasprompt<cat|no cat><dog|no dog>]", "catno dog"),
        ("[clip_skip]", "2"),
        ("[vae_filename]", "NoneType"),
        ("[none]", ""),
        ("[SEED]", "1235"),
        ("x[denoising]-[seed]", "-1235"),
        ("[nosuch] [seed", "[nosuch] [seed"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_tokens_become_what_they_stand_for(pattern: str, expected: str):
    assert expand(pattern, FACTS, Names()) == expected


def test_hashes_tell_texts_and_pictures_apart():
    patterns = ("[prompt_hash]", "[negative_prompt_hash]", "[full_prompt_hash]", "[image_hash<8>]")
    found = {expand(pattern, FACTS, Names()) for pattern in patterns}
    assert len(found) == 4 and {len(text) for text in found} == {8}
    other = replace(FACTS, image=Image.new("RGB", (640, 512), "blue"))
    assert expand("[image_hash]", other, Names()) != expand("[image_hash]", FACTS, Names())


def test_numbers_of_a_single_picture_are_left_out_with_the_text_before_them():
    single = replace(FACTS, batch_size=1, n_iter=1, index=0)
    assert expand("[seed]-[batch_number]-[generation_number]", single, Names()) == "1235"


def test_a_schedule_that_was_chosen_is_part_of_the_sampler():
    assert expand("[sampler_scheduler]", replace(FACTS, own_schedule=False), Names()) == "DPM++ 2M Karras"


def test_slashes_of_a_folder_pattern_make_folders_and_those_of_a_prompt_do_not():
    facts = replace(FACTS, prompt="cat/dog")
    assert expand_folder("[date]/[prompt_spaces]", facts, Names()) == "2026-03-04/cat_dog"
    assert expand("[date]/[seed]", facts, Names()) == "2026-03-04_1235"


@pytest.mark.parametrize("pattern", ["..", "../..", "/etc", "a/../../b", "\\..\\b", "C:/x", "[prompt_spaces]", " . / .. "])
@pytest.mark.parametrize("prompt", ["../../etc", "..", "/", "C:\\", "\0"])
def test_no_pattern_and_no_prompt_leads_out_of_the_folder(pattern: str, prompt: str):
    facts = replace(FACTS, prompt=prompt)
    for names in (Names(), Names(any_character=True)):
        folder, name = expand_folder(pattern, facts, names), expand(pattern, facts, names)
        assert not PurePosixPath(folder).is_absolute() and ".." not in PurePosixPath(folder).parts
        assert "/" not in name and "\0" not in folder + name
    assert not PureWindowsPath(expand_folder(pattern, facts, Names())).drive and "\\" not in expand(pattern, facts, Names())


def test_names_are_cut_at_the_length_of_the_command_line():
    facts = replace(FACTS, prompt="a" * 500)
    assert len(expand("[prompt]", facts, Names())) == 128
    assert len(expand("[prompt]", facts, Names(longest=10))) == 10


def test_names_fit_a_file_system_whatever_their_script():
    assert len(shorten("猫" * 128).encode()) <= MOST_BYTES
    assert shorten("猫" * 128) == "猫" * (MOST_BYTES // 3)


def test_any_character_but_the_slash_may_be_allowed():
    facts = replace(FACTS, prompt='a: "cat" / dog?')
    assert expand("[prompt_spaces]", facts, Names(any_character=True)) == 'a: "cat" _ dog?'
    assert expand("[prompt_spaces]", facts, Names()) == "a_ _cat_ _ dog_"


TOKENS = st.sampled_from(
    ["[prompt]", "[prompt_words]", "[datetime<%>]", "[date]", "[hasprompt<a|../b>]", "[styles]", "/", "\\", "..", ".", "~", "<", "[", "]", "a"]
)


@given(st.lists(TOKENS, max_size=8).map("".join), st.text(max_size=300))
def test_every_name_is_one_that_a_file_system_takes(pattern: str, prompt: str):
    facts: Any = replace(FACTS, prompt=prompt, styles=(prompt,))
    name = expand(pattern, facts, Names())
    parts = expand_folder(pattern, facts, Names()).split("/")
    assert all(len(part.encode()) <= MOST_BYTES and part not in (".", "..") for part in [*parts])
    assert not set('/\\\0\n:*?"<>|') & set(name + "".join(parts))
