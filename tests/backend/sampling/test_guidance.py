import pytest
import torch

from backend.errors import Interrupted
from backend.job import SamplingOptions
from backend.sampling.guidance import Guidance, Told
from tests.backend.sampling.toy import ToyConditioning, ToyModel, options

SOME = torch.linspace(-1, 1, 2 * 4 * 2 * 2).reshape(2, 4, 2, 2)


def guided(model: ToyModel, cond: ToyConditioning, uncond: ToyConditioning, asked: SamplingOptions, *, x=SOME, t=500.0, level=5.0, calls=0, **told):
    guidance = Guidance(Told(model, cond, uncond, **told), asked, 10, lambda: False)
    guidance.calls = calls
    return guidance(x, level, t, scale=1.0, cfg_scale=asked.cfg_scale, read=lambda x, output: output)


def alone(mean: float, image: int = 0) -> torch.Tensor:
    """The toy's answer for one image and one prompt."""
    cross = torch.full((1, 77, 4), mean)
    return ToyModel().predict(SOME[image : image + 1], torch.tensor([500.0]), cross)[0]


def sizes(model: ToyModel) -> list[int]:
    return [len(x) for x, _, _ in model.asked]


def test_guided_goes_from_negative_to_prompt_and_beyond():
    found, without = guided(ToyModel(), ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2), options(cfg_scale=7.0))
    assert torch.allclose(found[0], alone(0.1) + 7 * (alone(0.5) - alone(0.1)), atol=1e-5)
    assert torch.allclose(found[1], alone(0.2, 1) + 7 * (alone(-0.5, 1) - alone(0.2, 1)), atol=1e-5)
    assert torch.allclose(without[1], alone(0.2, 1), atol=1e-6)


def test_prompts_go_first_and_all_in_one_call():
    model = ToyModel()
    guided(model, ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2), options())
    assert sizes(model) == [4]
    assert model.asked[0][2][:, 0, 0].tolist() == pytest.approx([0.5, -0.5, 0.1, 0.2])


def test_without_batching_and_with_unequal_lengths_the_result_is_the_same_in_more_calls():
    cond, uncond = ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2)
    expected = guided(ToyModel(), cond, uncond, options())[0]
    apart = ToyModel()
    assert torch.allclose(guided(apart, cond, uncond, options(batch_cond_uncond=False))[0], expected, atol=1e-5) and sizes(apart) == [2, 2]
    longer = ToyModel()
    assert torch.allclose(guided(longer, ToyConditioning(0.5, -0.5, tokens=154), uncond, options())[0], expected, atol=1e-5)
    assert sizes(longer) == [2, 2]


def test_and_adds_up_what_each_part_wants_by_its_weight():
    cond = ToyConditioning([(0.5, 1.0), (0.9, -0.4)], [(0.3, 1.0)])
    model = ToyModel()
    found = guided(model, cond, ToyConditioning(0.1, 0.2), options(cfg_scale=3.0))[0]
    assert sizes(model) == [5]
    assert torch.allclose(found[0], alone(0.1) + 3 * (alone(0.5) - alone(0.1)) - 1.2 * (alone(0.9) - alone(0.1)), atol=1e-5)
    assert torch.allclose(found[1], alone(0.2, 1) + 3 * (alone(0.3, 1) - alone(0.2, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "calls", "level", "left_out"),
    [
        ({"s_min_uncond": 3.0}, 1, 2.9, True),
        ({"s_min_uncond": 3.0}, 2, 2.9, False),
        ({"s_min_uncond": 3.0, "s_min_uncond_all": True}, 2, 2.9, True),
        ({"s_min_uncond": 3.0}, 1, 3.1, False),
        ({"skip_early_cond": 0.2}, 2, 9.0, True),
        ({"skip_early_cond": 0.2}, 3, 9.0, False),
        ({}, 1, 0.01, False),
    ],
)
def test_negative_prompt_is_left_out_where_the_options_say_so(changes: dict[str, object], calls: int, level: float, left_out: bool):
    model = ToyModel()
    found, _ = guided(model, ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2), options(**changes), calls=calls, level=level)
    assert sizes(model) == [2 if left_out else 4]
    if left_out:
        assert torch.allclose(found[0], alone(0.5), atol=1e-6)


def test_shorter_prompt_is_filled_with_empty_prompts():
    model = ToyModel()
    uncond = ToyConditioning(0.1, 0.2)
    uncond.empty = torch.full((1, 77, 4), 9.0)
    guided(model, ToyConditioning(0.5, -0.5, tokens=231), uncond, options(pad_cond_uncond=True))
    assert sizes(model) == [4] and model.asked[0][2][2, :, 0].tolist() == pytest.approx([0.1] * 77 + [9.0] * 154)
    model = ToyModel()
    guided(model, ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2, tokens=154), options(pad_cond_uncond=True))
    assert model.asked[0][2][0, :, 0].tolist() == pytest.approx([0.5] * 77 + [0.0] * 77)


@pytest.mark.parametrize(("tokens", "negative_tokens"), [(154, 77), (77, 154)])
def test_v0_padding_gives_the_negative_prompt_the_length_of_the_prompt(tokens: int, negative_tokens: int):
    model = ToyModel()
    cond, uncond = ToyConditioning(0.5, -0.5, tokens=tokens), ToyConditioning(0.1, 0.2, tokens=negative_tokens)
    guided(model, cond, uncond, options(pad_cond_uncond_v0=True))
    assert sizes(model) == [4] and model.asked[0][2].shape[1] == tokens


def test_inpainting_models_get_mask_and_masked_picture_beside_each_latent():
    model, inpaint = ToyModel(), torch.rand(1, 5, 2, 2)
    guided(model, ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2), options(), beside=inpaint)
    asked = model.asked[0][0]
    assert asked.shape == (4, 9, 2, 2) and all(torch.equal(row[4:], inpaint[0]) for row in asked)


def test_stops_before_the_next_call():
    model = ToyModel()
    guidance = Guidance(Told(model, ToyConditioning(0.5), ToyConditioning(0.1)), options(), 10, lambda: bool(model.asked))
    guidance(SOME[:1], 5.0, 500.0, scale=1.0, cfg_scale=7.0, read=lambda x, output: output)
    with pytest.raises(Interrupted):
        guidance(SOME[:1], 5.0, 500.0, scale=1.0, cfg_scale=7.0, read=lambda x, output: output)
    assert len(model.asked) == 1


def test_tells_each_call_before_it():
    told: list[tuple[int, int]] = []
    model = ToyModel()
    guidance = Guidance(
        Told(model, ToyConditioning(0.5, 0.5), ToyConditioning(0, 0)), options(), 10, lambda: False, lambda call: told.append((call, len(model.asked)))
    )
    for _ in range(3):
        guidance(SOME, 5.0, 500.0, scale=1.0, cfg_scale=7.0, read=lambda x, output: output)
    assert told == [(0, 0), (1, 1), (2, 2)]


def test_instruct_pix2pix_is_told_three_times_and_guided_by_prompt_and_picture():
    class Sees(ToyModel):
        """The toy's answer, and the mean of the picture beside it."""

        def predict(self, x, t, cross, vector=None):
            return super().predict(x[:, :4], t, cross) + x[:, 4:].mean(dim=(1, 2, 3), keepdim=True)

    cond, uncond, picture = ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2), torch.full((1, 4, 2, 2), 0.3)
    model = Sees()
    found, without = guided(model, cond, uncond, options(cfg_scale=7.0, image_cfg_scale=2.0), beside=picture, edits=True)
    assert sizes(model) == [6]
    told, pictured, plain = alone(0.5) + 0.3, alone(0.1) + 0.3, alone(0.1)
    assert torch.allclose(found[0], plain + 7 * (told - pictured) + 2 * (pictured - plain), atol=1e-5)
    assert torch.allclose(without[0], plain, atol=1e-6)
    apart = Sees()
    asked = options(cfg_scale=7.0, image_cfg_scale=2.0, batch_cond_uncond=False)
    assert torch.allclose(guided(apart, cond, uncond, asked, beside=picture, edits=True)[0], found, atol=1e-5) and sizes(apart) == [2, 2, 2]
    longer = ToyConditioning(0.5, -0.5, tokens=154)
    assert torch.allclose(guided(Sees(), longer, uncond, options(cfg_scale=7.0, image_cfg_scale=2.0), beside=picture, edits=True)[0], found, atol=1e-5)


def test_a_scale_of_one_is_the_picture_told_with_both_prompts():
    cond, uncond, asked = ToyConditioning(0.5, -0.5), ToyConditioning(0.1, 0.2), options(image_cfg_scale=1.0)
    three, two = (guided(ToyModel(), cond, uncond, asked, beside=torch.rand(1, 4, 2, 2), edits=edits)[0] for edits in (True, False))
    assert torch.allclose(three, two, atol=1e-5)
