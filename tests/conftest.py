"""What tests of several rooms share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import find_browser

# Before torch is imported, here and in engine processes: on models this small more threads mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Milliseconds; Playwright's own 5 s are too few on a busy machine, and a limit costs nothing where all goes well.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def golden_models(pytestconfig: pytest.Config) -> Path:
    """models/, embeddings/ and styles.csv of the golden pictures; 1.2 GB, kept from run to run in pytest's cache folder."""
    from tests.golden.make_models import make  # here: it imports torch

    assert pytestconfig.cache is not None
    return make(pytestconfig.cache.mkdir("golden-models"), ("tiny-sd1", "tiny-sd2-v"))


@pytest.fixture(scope="module")  # and not longer: Playwright's event loop stays in the thread while it is open
def browser() -> Iterator[Browser]:
    """A headless Chromium that looks nothing up on its own; each test opens contexts and pages of its own in it."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=quiet)
        yield browser
        browser.close()
