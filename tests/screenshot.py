"""The picture of a report in the README: `python -m tests.screenshot PROJECT` writes docs/images/report.png."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.conftest import CHECKOUT

TO = CHECKOUT / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1200, 800


def take(report: Path, to: Path) -> None:
    """The top of a report as a PNG of few colours."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.screenshot(path=str(to))
        browser.close()
    with Image.open(to) as image:
        image.convert("RGB").quantize(128).save(to, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]) / "artifacts" / "report.html", TO)
