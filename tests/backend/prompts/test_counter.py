from backend.prompts.counter import count
from backend.prompts.tokenizer import Tokenizer


def test_tokens_and_room_grow_by_chunks(tokenizer: Tokenizer):
    assert count("", tokenizer) == (0, 75)
    assert count("a (cat:1.3)", tokenizer) == (2, 75)
    assert count("cat " * 76, tokenizer) == (76, 150)


def test_tags_do_not_count_and_the_longest_text_decides(tokenizer: Tokenizer):
    assert count("a <lora:ink:1>[cat:big dog:0.5] AND x", tokenizer) == (3, 75)


def test_and_is_a_word_in_a_negative_prompt(tokenizer: Tokenizer):
    assert count("cat AND dog", tokenizer, negative=True) == (3, 75)
