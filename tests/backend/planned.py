"""A catalog and styles to plan with."""

import random
from pathlib import Path
from typing import Any

from backend.catalog import Catalog
from backend.fields import to_request
from backend.plan import Plan, plan
from backend.prompts.styles import Style, StyleTable
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog, entry

STYLES = StyleTable([Style(name="Cinematic", prompt="cinematic {prompt}", negative_prompt="cartoon")])
SHA = "0123456789abcdef" * 4
CATALOG = FakeCatalog(
    [
        entry("checkpoint", "first.safetensors", SHA),
        entry("checkpoint", "sub/second.safetensors", SHA[::-1]),
        entry("vae", "first.vae.safetensors", "11" * 32),
        entry("vae", "other.safetensors", "22" * 32),
        entry("lora", "ink.safetensors"),
        entry("lora", "style/Oil.safetensors", metadata={"ss_output_name": "oil_v2"}),
    ],
    {"ink": "aaaaaaaaaaaa", "Oil": "bbbbbbbbbbbb"},
)


def planned(settings: dict[str, Any] | None = None, catalog: Catalog = CATALOG, seed: int = 0, vae_file: Path | None = None, **asked: Any) -> Plan:
    return plan(to_request(asked), Settings().override(settings or {}), catalog, STYLES, draw=random.Random(seed), vae_file=vae_file)
