import json
import pickle
from dataclasses import fields

import pytest

from backend.flags import Flags, parse_flags, unhonoured


def test_no_argument_leaves_every_default():
    assert parse_flags([]) == Flags()


def test_every_flag_parses_alone():
    for flag in fields(Flags):
        action = flag.metadata["argument"].get("action")
        value = {"precision": ["full"], "loglevel": ["INFO"]}.get(flag.name, ["1"] if not isinstance(flag.default, bool) or action == "append" else [])
        name = f"-{flag.name}" if len(flag.name) == 1 else f"--{flag.name.replace('_', '-')}"
        parse_flags([name, *value])


def test_flags_keep_their_types():
    flags = parse_flags(["--port", "8000", "--use-cpu", "ALL", "interrogate", "--styles-file", "a.csv", "--styles-file", "b*.csv", "--no-half"])
    assert (flags.port, flags.use_cpu, flags.styles_file, flags.no_half) == (8000, ("all", "interrogate"), ("a.csv", "b*.csv"), True)


def test_origins_are_split_at_commas():
    assert parse_flags(["--cors-allow-origins", "http://a, http://b"]).cors_allow_origins == ("http://a", "http://b")


def test_the_short_name_of_the_lycoris_folder_is_known():
    assert parse_flags(["--lyco-dir", "x"]).lyco_dir_backcompat == "x"


def test_flags_without_effect_are_named_once_given():
    assert unhonoured(parse_flags(["--share", "--test-server", "--xformers", "--listen"])) == ("--test-server", "--share")
    assert unhonoured(parse_flags([])) == ()


def test_what_a1111_itself_ignores_is_not_named():
    ignored = ["--max-batch-count", "3", "--always-batch-cond-uncond", "--unload-gfpgan", "--ngrok-region", "eu", "--deepdanbooru", "--show-negative-prompt"]
    assert unhonoured(parse_flags([*ignored, "--gradio-img2img-tool", "x", "--gradio-inpaint-tool", "x", "--gradio-queue", "--add-stop-route"])) == ()


def test_an_unknown_flag_ends_the_program_with_its_name(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse_flags(["--nosuch"])
    assert "--nosuch" in capsys.readouterr().err


def test_help_names_the_flags(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse_flags(["--help"])
    assert "--ckpt-dir" in capsys.readouterr().out


def test_flags_can_be_pickled_and_shown_as_json():
    flags = parse_flags(["--use-cpu", "all"])
    assert pickle.loads(pickle.dumps(flags)) == flags
    json.dumps({flag.name: getattr(flags, flag.name) for flag in fields(flags)})
