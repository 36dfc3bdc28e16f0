from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.conditioning.conditioning import Encoded, PromptCache, encode_prompts
from backend.conditioning.textual_inversion import EmbeddingStore
from backend.job import ConditioningOptions, GenerateJob
from backend.prompts.tokenizer import Tokenizer
from tests.backend.conditioning.models import TinyModel, job, model
from tests.backend.conditioning.test_textual_inversion import File


@pytest.fixture
def cache(tokenizer: Tokenizer) -> PromptCache:
    return made_with(tokenizer)


def made_with(tokenizer: Tokenizer, **limits: int) -> PromptCache:
    cache = PromptCache(**limits)
    cache.tokenizer = tokenizer
    return cache


def encoded(cache: PromptCache, job: GenerateJob, model: TinyModel, store: EmbeddingStore | None = None, key: object = ()) -> Encoded:
    return encode_prompts(model, job, total_calls=job.sampling.steps, embeddings=store or EmbeddingStore(), cache=cache, networks_key=key)


def stored(folder: Path, **vectors: dict[str, torch.Tensor]) -> EmbeddingStore:
    for name, tensors in vectors.items():
        save_file(tensors, folder / f"{name}.safetensors")
    store = EmbeddingStore()
    store.load([File(folder / f"{name}.safetensors", hash=name * 3) for name in vectors])
    return store


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-5)


def crosses(cache: PromptCache, prompts: Sequence[str], options: ConditioningOptions | None = None) -> list[torch.Tensor]:
    return [encoded(cache, job(prompt, conditioning=options), model()).cond.at(0).cross for prompt in prompts]


def test_prompts_of_a_batch_lie_image_by_image_with_their_and_parts(cache: PromptCache):
    step = encoded(cache, job(["cat AND dog :0.5", "sofa"]), model()).cond.at(0)
    assert step.cross.shape == (3, 77, 64)
    assert step.parts == (((0, 1.0), (1, 0.5)), ((2, 1.0),))
    cat, dog, sofa = crosses(cache, ["cat", "dog", "sofa"])
    assert same(step.cross, torch.cat([cat, dog, sofa]))


def test_a_negative_prompt_is_one_part_of_weight_one(cache: PromptCache):
    step = encoded(cache, job(["cat", "dog"], "ugly AND blurry :0.5"), model()).uncond.at(0)
    assert step.parts == (((0, 1.0),), ((1, 1.0),))


def test_editing_changes_the_tensors_after_its_step_and_the_object_stays_the_same_till_then(cache: PromptCache):
    cond = encoded(cache, job("a [cat:dog:0.5]"), model()).cond
    assert cond.at(0) is cond.at(4)
    assert cond.at(5) is cond.at(7)
    cat, dog = crosses(cache, ["a cat", "a dog"])
    assert same(cond.at(4).cross, cat)
    assert same(cond.at(5).cross, dog)


def test_a_shorter_prompt_is_extended_by_its_last_vector(cache: PromptCache):
    long = "cat " * 80
    step = encoded(cache, job([long, "dog"]), model()).cond.at(0)
    assert step.cross.shape == (2, 154, 64)
    assert torch.equal(step.cross[1, 77:], step.cross[1, 76:77].expand(77, -1))


def test_texts_of_one_schedule_are_filled_with_empty_chunks(cache: PromptCache):
    cond = encoded(cache, job(f"[cat:{'dog ' * 80}:4]"), model()).cond
    (empty,) = crosses(cache, [""])
    assert same(cond.at(0).cross[:, 77:], empty)


def test_emphasis_of_an_edited_word_has_an_influence_before_its_time(cache: PromptCache):
    before = encoded(cache, job("a [cat:(dog:1.9):4]"), model()).cond.at(0).cross
    (cat,) = crosses(cache, ["a cat"])
    assert not same(before, cat)
    torch.testing.assert_close(before / cat, torch.full_like(cat, float((before / cat).median())), rtol=1e-3, atol=1e-3)


def test_each_mode_of_emphasis_gives_something_else_but_ignore_equals_no_brackets(cache: PromptCache):
    prompt = "a (cat:1.9) x"
    results = {mode: crosses(cache, [prompt], ConditioningOptions(emphasis=mode))[0] for mode in ("Original", "No norm", "Ignore", "None", "Compel")}
    assert same(results["Ignore"], crosses(cache, ["a cat x"])[0])
    others = [results[mode] for mode in ("Original", "No norm", "Ignore", "None", "Compel")]
    assert not any(same(one, other) for i, one in enumerate(others) for other in others[:i])


def test_the_mode_is_told_for_the_infotext_where_brackets_are_used(cache: PromptCache):
    options = ConditioningOptions(emphasis="No norm")
    assert encoded(cache, job("a (cat)", conditioning=options), model()).extra == {"Emphasis": "No norm"}
    assert encoded(cache, job("a [cat:dog:2]", conditioning=options), model()).extra == {}
    assert encoded(cache, job("a (cat)"), model()).extra == {}
    assert encoded(cache, job("a cat++", conditioning=ConditioningOptions(emphasis="Compel")), model()).extra == {"Emphasis": "Compel"}


def test_old_emphasis_cuts_a_long_prompt_and_says_so(cache: PromptCache):
    done = encoded(cache, job("cat " * 80, conditioning=ConditioningOptions(old_emphasis=True)), model())
    assert done.cond.at(0).cross.shape == (1, 77, 64)
    assert "last 5" in done.comments[0]


def test_the_empty_prompt_can_be_asked_for(cache: PromptCache):
    assert same(encoded(cache, job("cat"), model()).uncond.empty, crosses(cache, [""])[0])


# ---------------------------------------------------------------- SDXL


def test_sdxl_joins_both_encoders_and_has_a_vector_of_pooled_text_and_sizes(cache: PromptCache):
    step = encoded(cache, job("cat"), model("SDXL")).cond.at(0)
    assert step.cross.shape == (1, 77, 128)
    assert step.vector is not None
    assert step.vector.shape == (1, 32 + 6 * 256)


def test_an_empty_negative_prompt_of_sdxl_is_zeros_but_for_the_sizes(cache: PromptCache):
    done = encoded(cache, job(["", "cat"], ""), model("SDXL"))
    step, positive = done.uncond.at(0), done.cond.at(0)
    assert step.vector is not None and positive.vector is not None
    assert not step.cross.any()
    assert not step.vector[:, :32].any()
    assert torch.equal(step.vector[:, 32:], positive.vector[:, 32:])
    assert positive.cross[0].any()


def test_the_pooled_vector_is_that_of_the_first_chunk(cache: PromptCache):
    one, two = (encoded(cache, job(prompt), model("SDXL")).cond.at(0).vector for prompt in ("cat", "cat BREAK dog"))
    assert one is not None and two is not None
    assert same(one, two)


def test_the_refiner_has_one_encoder_and_a_score(cache: PromptCache):
    done = encoded(cache, job("cat", "ugly"), model("SDXL Refiner"))
    step, negative = done.cond.at(0), done.uncond.at(0)
    assert step.vector is not None and negative.vector is not None
    assert step.vector.shape == (1, 32 + 5 * 256)
    assert not same(step.vector[:, -256:], negative.vector[:, -256:])


# ---------------------------------------------------------------- textual inversion


def test_an_embedding_is_used_and_named_with_its_hash(cache: PromptCache, tmp_path: Path):
    store = stored(tmp_path, ink={"emb_params": torch.ones(2, 64)}, oil={"emb_params": torch.zeros(1, 64)})
    done = encoded(cache, job("an INK cat", "oil"), model(), store)
    assert done.used_embeddings == (("ink", "inkinkink"), ("oil", "oiloiloil"))
    assert done.extra == {"TI hashes": "ink: inkinkink, oil: oiloiloil"}
    assert not same(done.cond.at(0).cross, crosses(cache, ["an ink cat"])[0])


def test_an_embedding_for_sdxl_is_named_once_per_encoder(cache: PromptCache, tmp_path: Path):
    store = stored(tmp_path, ink={"clip_l": torch.ones(2, 64), "clip_g": torch.ones(2, 64)})
    assert encoded(cache, job("ink"), model("SDXL"), store).extra == {"TI hashes": "ink: inkinkink, ink: inkinkink"}


def test_an_embedding_of_another_width_is_a_comment(cache: PromptCache, tmp_path: Path):
    store = stored(tmp_path, ink={"emb_params": torch.ones(2, 32)})
    done = encoded(cache, job("ink"), model(), store)
    assert done.used_embeddings == ()
    assert "ink is for another kind of model" in done.comments[0]


def test_embeddings_work_in_compel_prompts(cache: PromptCache, tmp_path: Path):
    options = ConditioningOptions(emphasis="Compel")
    store = stored(tmp_path, ink={"emb_params": torch.ones(2, 64)})
    done = encoded(cache, job("a (ink)1.2 cat", conditioning=options), model(), store)
    assert done.used_embeddings == (("ink", "inkinkink"),)
    assert not same(done.cond.at(0).cross, crosses(cache, ["a (ink)1.2 cat"], options)[0])


# ---------------------------------------------------------------- the cache


def test_the_same_prompts_again_cost_nothing(cache: PromptCache):
    sd1 = model()
    first = encoded(cache, job("a [cat:dog:4]", "ugly"), sd1)
    before = cache.encodings
    again = encoded(cache, job("a [cat:dog:4]", "ugly", steps=20, width=128), sd1)
    assert cache.encodings == before == 2
    assert torch.equal(first.cond.at(0).cross, again.cond.at(0).cross)


def test_whatever_a_prompt_depends_on_has_it_encoded_anew(cache: PromptCache, tmp_path: Path):
    sd1, store = model(), stored(tmp_path, ink={"emb_params": torch.ones(2, 64)})
    encoded(cache, job("cat", "cat"), sd1, store)
    assert cache.encodings == 1
    encoded(cache, job("cat", "cat", conditioning=ConditioningOptions(clip_skip=2)), sd1, store)
    assert cache.encodings == 2
    encoded(cache, job("cat", "cat"), sd1, store, key=("a network",))
    assert cache.encodings == 3
    encoded(cache, job("cat", "cat"), model(), store, key=())
    assert cache.encodings == 4
    store.load([])
    encoded(cache, job("cat", "cat"), sd1, store)
    assert cache.encodings == 5


def test_the_cache_forgets_what_was_not_used_for_longest(tokenizer: Tokenizer):
    cache, sd1 = made_with(tokenizer, most_entries=2), model()
    for prompt in ("cat", "dog", "cat", "sofa", "cat"):
        encoded(cache, job(prompt, prompt), sd1)
    assert (len(cache), cache.encodings) == (2, 3)


def test_the_cache_is_bounded_in_bytes_too(tokenizer: Tokenizer):
    size = 77 * 64 * 4
    cache, sd1 = made_with(tokenizer, most_bytes=2 * size), model()
    for prompt in ("cat", "dog", "sofa"):
        encoded(cache, job(prompt, prompt), sd1)
    assert (len(cache), cache.bytes) == (2, 2 * size)
