from typing import Any

import pytest
import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from backend.conditioning.text_encoder import AT_ONCE, Recipe, encode, recipes, width
from backend.job import ConditioningOptions
from tests.backend.conditioning.models import WIDTH, encoder

START, END, CAT = 49406, 49407, 2368
ROW = [START, 320, CAT, *[END] * 74]
ZERO_ROW = [START, 320, CAT, END, *[0] * 73]
CPU = torch.device("cpu")


def states(module: Any, recipe: Recipe, row: list[int] = ROW, places: Any = ()) -> torch.Tensor:
    return encode(module, [row], [places], recipe, device=CPU, end=END)[0]


def reference(module: Any, row: list[int]) -> Any:
    with torch.inference_mode():
        return module(torch.tensor([row]), output_hidden_states=True)


def test_the_last_layer_is_what_transformers_gives():
    module = encoder()
    assert isinstance(module, CLIPTextModel)
    torch.testing.assert_close(states(module, Recipe(key="", layer=1, normed=True)), reference(module, ROW).last_hidden_state)


def test_clip_skip_takes_an_earlier_layer_and_norms_it():
    module: Any = encoder()
    second = reference(module, ROW).hidden_states[-2]
    torch.testing.assert_close(states(module, Recipe(key="", layer=2, normed=False)), second)
    torch.testing.assert_close(states(module, Recipe(key="", layer=2, normed=True)), module.final_layer_norm(second))


def test_zero_padding_begins_after_the_first_end_token_and_the_pooled_vector_is_projected():
    module = encoder(1, projected=True)
    assert isinstance(module, CLIPTextModelWithProjection)
    recipe = Recipe(key="", layer=2, normed=False, pooled=True, zero_padding=True)
    z, pooled = encode(module, [ROW], [()], recipe, device=CPU, end=END)
    expected = reference(module, ZERO_ROW)
    torch.testing.assert_close(z, expected.hidden_states[-2])
    torch.testing.assert_close(pooled, expected.text_embeds)


def test_vectors_take_the_place_of_tokens():
    module: Any = encoder()
    recipe = Recipe(key="", layer=1, normed=True)
    cat = module.embeddings.token_embedding.weight[[CAT]]
    torch.testing.assert_close(states(module, recipe, [START, 320, 0, *[END] * 74], [(2, cat)]), states(module, recipe))
    torch.testing.assert_close(states(module, recipe, [*[START] * 76, 0], [(76, torch.cat([cat, cat]))]), states(module, recipe, [*[START] * 76, CAT]))


def test_many_chunks_are_run_in_several_goes_with_the_same_result():
    module, recipe = encoder(), Recipe(key="", layer=1, normed=True)
    rows = [[START, i, *[END] * 75] for i in range(AT_ONCE + 3)]
    z, _ = encode(module, rows, [()] * len(rows), recipe, device=CPU, end=END)
    torch.testing.assert_close(z[-1:], states(module, recipe, rows[-1]))


def test_a_masked_token_is_not_seen():
    module, recipe = encoder(), Recipe(key="", layer=1, normed=True)
    mask = torch.ones(1, 77)
    mask[0, 2] = 0
    seen, hidden = (encode(module, [[START, 320, word, *[END] * 74]], [()], recipe, device=CPU, end=END, mask=mask)[0] for word in (CAT, 500))
    torch.testing.assert_close(seen[:, 3:], hidden[:, 3:])


@pytest.mark.parametrize(("family", "layers"), [("SD1", [3]), ("SD2", [2]), ("SDXL", [2, 2]), ("SDXL Refiner", [2])])
def test_clip_skip_counts_for_sd1_alone(family: str, layers: list[int]):
    assert [recipe.layer for recipe in recipes(family, ConditioningOptions(clip_skip=3))] == layers


def test_clip_skip_counts_for_sdxl_where_the_option_says_so():
    first, second = recipes("SDXL", ConditioningOptions(clip_skip=3, sdxl_clip_l_skip=True))
    assert (first.layer, second.layer) == (3, 2)


def test_the_width_is_that_of_the_token_embeddings():
    assert width(encoder()) == width(encoder(1, projected=True)) == WIDTH
