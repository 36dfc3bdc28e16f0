import pytest

from backend.sampling.names import BUILT_IN, SAMPLERS, SCHEDULERS


def test_samplers_are_those_of_a1111_in_its_order():
    assert [info.label for info in SAMPLERS] == [
        "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a", "Euler", "LMS", "Heun",
        "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++", "PLMS", "UniPC", "LCM",
    ]  # fmt: skip


def test_schedulers_are_those_of_a1111_and_turbo_last():
    assert [info.label for info in SCHEDULERS] == [
        "Automatic", "Uniform", "Karras", "Exponential", "Polyexponential", "SGM Uniform", "KL Optimal", "Align Your Steps", "Simple", "Normal",
        "DDIM", "Beta", "Turbo",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("Euler", {}),
        ("DPM++ SDE", {"scheduler": "karras", "second_order": "True", "brownian_noise": "True"}),
        ("DPM++ 2M SDE Heun", {"scheduler": "exponential", "brownian_noise": "True", "solver_type": "heun"}),
        ("DPM2 a", {"scheduler": "karras", "discard_next_to_last_sigma": "True", "uses_ensd": "True", "second_order": "True"}),
    ],
)
def test_options_are_written_as_the_api_answers_them(label: str, options: dict[str, str]):
    info = BUILT_IN.find_sampler(label)
    assert info is not None and info.options == options


def test_sampler_is_found_by_label_alias_and_old_name_in_any_case():
    for name in ("dpm++ 2m", "K_DPMPP_2M", "DPM++ 2M Karras", "dpm++ 2m sgm_uniform"):
        info = BUILT_IN.find_sampler(name)
        assert info is not None and info.label == "DPM++ 2M"
    assert BUILT_IN.find_sampler("NoSuch") is None and BUILT_IN.find_sampler("Karras") is None and BUILT_IN.find_sampler("") is None


def test_scheduler_is_found_by_label_name_and_alias():
    for name in ("SGM Uniform", "sgm_uniform", "SGMUniform", "sgm uniform"):
        info = BUILT_IN.find_scheduler(name)
        assert info is not None and info.label == "SGM Uniform"
    assert BUILT_IN.find_scheduler("NoSuch") is None


def test_old_name_is_split_into_sampler_and_schedule():
    assert BUILT_IN.split_old_name("DPM++ 2M SDE Karras") == ("DPM++ 2M SDE", "Karras")
    assert BUILT_IN.split_old_name("DPM++ SDE exponential") == ("DPM++ SDE", "Exponential")
    assert BUILT_IN.split_old_name("DDIM CFG++") == ("DDIM CFG++", None)
    assert BUILT_IN.split_old_name("NoSuch Karras") == ("NoSuch Karras", None)
