"""The report in a real browser: it shows, sorts, stays within the screen, asks nobody, runs no script from the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.test_page import ALL, HOSTILE, write
from tests.run import lines
from tests.run.line import Line


@pytest.mark.browser
@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("width", [390, 1440])
def test_in_a_browser(make: Callable[[Path], Line], width: int, chromium: Any, tmp_path: Path) -> None:
    line = make(tmp_path)
    write(line)
    context = chromium.new_context(
        viewport={"width": width, "height": 844}, color_scheme="dark" if width < 400 else "light"
    )
    page = context.new_page()
    noise: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    address = (line.artifacts / "report.html").as_uri()
    page.goto(address)
    assert not noise
    assert [url for url in requested if not url.startswith("data:")] == [address]
    room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert room[0] <= room[1]
    sections = page.evaluate(
        "[...document.querySelectorAll('main section[id]')].map(s => [s.id, s.offsetWidth, s.offsetHeight])"
    )
    assert sections
    assert all(wide > width / 4 and tall > 60 for _, wide, tall in sections), sections
    clipped = page.evaluate("""[...document.querySelectorAll('main section[id]')].filter(s => [...s.children].some(
        c => c.getBoundingClientRect().right > s.getBoundingClientRect().right + 1)).map(s => s.id)""")
    assert not clipped
    context.close()


@pytest.mark.browser
def test_hostile_words_do_nothing_in_a_browser(chromium: Any, tmp_path: Path) -> None:
    line = lines.text(tmp_path, HOSTILE, (HOSTILE[0], HOSTILE[1]))
    write(line)
    page = chromium.new_page(reduced_motion="reduce")
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.goto((line.artifacts / "report.html").as_uri())
    page.locator("svg.matrix rect").first.hover()
    assert page.locator("#tip").is_visible()
    assert "<script>" in page.locator("#tip").inner_text()
    assert page.title() == "cola: All gates passed"
    assert page.evaluate("document.images.length") == 0
    assert not noise
    page.close()


@pytest.mark.browser
def test_a_script_slipped_into_the_page_does_not_run(chromium: Any, tmp_path: Path) -> None:
    """The second wall: the content security policy names the one script by digest."""
    line = lines.text(tmp_path)
    markup = write(line).replace("</main>", "<script>document.title = 'taken'</script></main>")
    (line.artifacts / "report.html").write_text(markup, encoding="utf-8")
    page = chromium.new_page()
    page.goto((line.artifacts / "report.html").as_uri())
    assert page.title() == "cola: All gates passed"
    page.close()


@pytest.mark.browser
def test_a_click_on_a_heading_sorts_and_the_page_works_without_scripts(chromium: Any, tmp_path: Path) -> None:
    line = lines.huge(tmp_path)
    write(line)
    address = (line.artifacts / "report.html").as_uri()
    page = chromium.new_page()
    page.goto(address)
    rows = "[...document.querySelectorAll('#classes tbody tr')].map(r => Number(r.cells[4].dataset.v))"
    page.locator("#classes th button", has_text="Rows").click()
    assert page.evaluate(rows) == sorted(page.evaluate(rows))
    page.locator("#classes th button", has_text="Rows").click()
    assert page.evaluate(rows) == sorted(page.evaluate(rows), reverse=True)
    page.close()
    still = chromium.new_context(java_script_enabled=False).new_page()
    still.goto(address)
    assert still.locator("#classes tbody tr").count() == 60
    still.context.close()
