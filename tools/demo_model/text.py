"""Words → token rows → the text encoder's output. While training, the embedding table holds only the rows that captions use."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from tools.demo_model.concepts import Concept, vocabulary
from tools.demo_model.modules import CONTEXT, TEXT_CONFIG, make_text_encoder

CLIP = Path(__file__).parents[2] / "backend/checkpoints/configs/clip"  # vocab.json and merges.txt, as the program itself uses them
TOKENS = 49408
SPECIAL = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}


class Words:
    """CLIP's tokens → rows of the small table; every token that captions never hold shares row 0."""

    def __init__(self, concepts: Sequence[Concept]) -> None:
        vocab, merges = json.loads((CLIP / "vocab.json").read_text(encoding="utf-8")), (CLIP / "merges.txt").read_text(encoding="utf-8").splitlines()
        pairs = [tuple(line.split()) for line in merges if line and not line.startswith("#version")]
        self.tokenizer = CLIPTokenizer(vocab=vocab, merges=pairs, model_max_length=77, **SPECIAL)
        self.ids = sorted({id for word in vocabulary(concepts) for id in self.tokenizer(word).input_ids})
        self.rows = len(self.ids) + 1  # the last two are start and end of text
        self._row_of = torch.zeros(TOKENS, dtype=torch.long)
        self._row_of[torch.tensor(self.ids)] = torch.arange(1, self.rows)

    def __call__(self, texts: Sequence[str], length: int = 77) -> Tensor:
        """(len(texts), length) rows."""
        return self._row_of[torch.tensor(self.tokenizer(list(texts), padding="max_length", truncation=True, max_length=length).input_ids)]

    def full_table(self, table: Tensor) -> Tensor:
        """The small table as CLIP's of 49408 rows."""
        full = table[0].repeat(TOKENS, 1)
        full[torch.tensor(self.ids)] = table[1 : self.rows]
        return full


@torch.no_grad()
def small_text_encoder(words: Words) -> CLIPTextModel:
    """Its first layer starts as "the average of the real words so far" (start and end of text are pushed out of the attention), so that
    every position, padding too, carries the words from the first step on."""
    encoder = make_text_encoder(vocab_size=max(words.rows, 64), bos_token_id=1, eos_token_id=2, pad_token_id=2)
    table = encoder.embeddings.token_embedding.weight
    table.normal_(0, 0.3)
    encoder.embeddings.position_embedding.weight.normal_(0, 0.03)
    start, end = words.rows - 2, words.rows - 1
    table[start] *= 0.3
    table[end] *= 0.3
    attention = encoder.encoder.layers[0].self_attn
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.mul_(0.1)
        projection.bias.zero_()
    heads = int(TEXT_CONFIG["num_attention_heads"])
    away = -(_normed(table[end]) + _normed(table[start])) / CONTEXT * 8.0
    for first in range(0, CONTEXT, CONTEXT // heads):
        attention.q_proj.bias[first] = 8.0
        attention.k_proj.weight[first] = away
    attention.v_proj.weight.copy_(torch.eye(CONTEXT))
    attention.v_proj.bias.zero_()
    attention.out_proj.weight.copy_(torch.eye(CONTEXT) * 0.6)
    attention.out_proj.bias.zero_()
    return encoder


def _normed(vector: Tensor) -> Tensor:
    return (vector - vector.mean()) / vector.std(unbiased=False)


def encode(encoder: CLIPTextModel, rows: Tensor, skip: int = 1) -> Tensor:
    """(B, length, 128); skip 2 = clip skip 2."""
    if skip == 1:
        return encoder(rows).last_hidden_state
    return encoder.final_layer_norm(encoder(rows, output_hidden_states=True).hidden_states[-skip])
