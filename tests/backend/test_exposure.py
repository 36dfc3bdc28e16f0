import pytest

from backend import exposure
from backend.errors import Forbidden
from backend.exposure import Exposure, address, qr_code, urls
from backend.flags import parse_flags


@pytest.mark.parametrize(
    ("flags", "is_open", "changes"),
    [
        ([], False, True),
        (["--listen"], True, False),
        (["--server-name", "192.168.1.2"], True, False),
        (["--listen", "--gradio-auth", "ann:secret"], False, True),
        (["--listen", "--gradio-auth-path", "file"], False, True),
        (["--listen", "--enable-insecure-access"], True, True),
        (["--listen", "--nowebui", "--api-auth", "ann:secret"], False, True),
        (["--listen", "--api", "--api-auth", "ann:secret"], True, False),  # the page asks for none
    ],
)
def test_without_a_password_the_network_may_look_and_draw_but_change_nothing(flags: list[str], is_open: bool, changes: bool):
    found = Exposure.of(parse_flags(flags))
    assert (found.open, found.changes) == (is_open, changes)


def test_the_refusal_says_what_to_do():
    with pytest.raises(Forbidden, match=r"To upload files, start with --gradio-auth .* --enable-insecure-access"):
        Exposure(open=True, changes=False).check("upload files")
    Exposure(open=True, changes=True).check("upload files")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], ("http://127.0.0.1:7860",)),
        (["--port", "80", "--server-name", "::1", "--tls-certfile", "c"], ("https://[::1]:80",)),
        (["--subpath", "/sd/"], ("http://127.0.0.1:7860/sd",)),
        (["--listen"], ("http://127.0.0.1:7860", "http://192.168.1.20:7860")),
    ],
)
def test_where_the_page_is(flags: list[str], expected: tuple[str, ...], monkeypatch):
    monkeypatch.setattr(exposure, "_network_addresses", lambda: iter(["192.168.1.20"]))
    assert urls(parse_flags(flags)) == expected


def test_the_addresses_of_this_machine_are_no_loopback():
    assert not [one for one in exposure._network_addresses() if one.startswith("127.")]


def test_a_qr_code_is_square_enough_for_a_camera():
    lines = qr_code("http://192.168.1.20:7860").splitlines()
    assert len({len(line) for line in lines}) <= 3 and len(lines) > 10


def test_the_api_alone_has_a_port_of_its_own():
    assert address(parse_flags(["--nowebui"])) == ("127.0.0.1", 7861)


def test_visitors_set_what_a_picture_needs_and_not_where_files_go():
    visitors = Exposure(open=True, changes=False)
    visitors.check_settings({"sd_model_checkpoint": "x", "CLIP_stop_at_last_layers": 2, "samples_format": "jpg"})
    for key in ("outdir_samples", "directories_filename_pattern", "samples_filename_pattern", "api_enable_requests", "disabled_extensions", "a1111_scripts"):
        with pytest.raises(Forbidden, match=f"change the setting {key}"):
            visitors.check_settings({"samples_format": "jpg", key: "/etc"})
        Exposure().check_settings({key: "/etc"})
