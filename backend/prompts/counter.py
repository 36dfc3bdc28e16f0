"""How many tokens a prompt has, as the counter beside the prompt box shows it: "12/75"."""

import math
from collections.abc import Iterable

from backend.prompts.chunks import chunk_prompt
from backend.prompts.embedding_index import EmbeddingIndex, Named
from backend.prompts.extra_networks import parse
from backend.prompts.schedule import prompt_schedule, split_and
from backend.prompts.tokenizer import CHUNK, Tokenizer


def count(
    prompt: str, tokenizer: Tokenizer, *, steps: int = 20, negative: bool = False, embeddings: Iterable[Named] = (), comma_backtrack: int = 20
) -> tuple[int, int]:
    """(tokens, room) of the longest text that the prompt becomes on its way; room is a multiple of 75."""
    text, _ = parse(prompt)
    parts = [text] if negative else [part for part, _ in split_and(text)]
    index = EmbeddingIndex(embeddings, tokenizer)
    texts = {text for part in parts for _, text in prompt_schedule(part, steps)}
    tokens = max(chunk_prompt(text, tokenizer, index, comma_backtrack=comma_backtrack)[1] for text in texts)
    return tokens, math.ceil(max(tokens, 1) / CHUNK) * CHUNK
