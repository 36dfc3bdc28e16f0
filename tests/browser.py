"""Which browser the page's tests use. As a script: makes sure that there is one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium")


def find_browser() -> str | None:
    """Path of an installed Chromium or Chrome, else of the one that Playwright brought, else None."""
    installed = next((path for name in NAMES if (path := shutil.which(name))), None)
    installed = installed or next((place for place in MAC_PLACES if Path(place).exists()), None)
    return installed or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright  # here, because starting it takes a moment and is seldom needed

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install_browser() -> None:
    """Playwright's own Chromium; where that cannot be had and we are root on Debian or Ubuntu, the system's package."""
    playwright = [sys.executable, "-m", "playwright", "install"]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform == "linux":
        playwright += ["--with-deps"]
    if subprocess.run([*playwright, "chromium"], check=False).returncode == 0 and find_browser():
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], check=False)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], check=False)


if __name__ == "__main__":
    if not find_browser():
        install_browser()
    if not find_browser():
        sys.exit("No browser found and none could be installed. Install Chromium or Chrome; then start the tests again.")
