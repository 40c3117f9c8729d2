"""The page of a served model: what it shows, that no data becomes markup, and that it follows the state in a browser."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mlspec.monitoring.monitor_state import MonitorState, Signal
from mlspec.report.monitor_page import monitor_page, state_verdict
from tests.report.monitor_states import full_state
from tests.report.test_page import HOSTILE, Page


def test_the_page_answers_the_four_questions_and_names_the_alarm() -> None:
    page = Page(monitor_page(full_state()))
    for words in ("1 alarm", "Is it up?", "41 ms", "cola moved up by 0.42 sd", "2 rows that show it", "limit 6%",
                  "version 8", "No labels yet.", "12 records were dropped",
                  "With these shares the expected accuracy of version 8 is 0.700 (0.650 to 0.750).",
                  # since when, which version, which column
                  "since 2026-11-26 09:00 · version 8 · column cola",
                  # what is to be decided
                  "Version 9: moved, unknown whether it is harmful", "Version 8: moved, not harmful",
                  # the facts of an alarm
                  "+0.42 sd (+0.31 to +0.55)", "2,140,000 (an alarm needs 1,440,000)", "200 more rows without new",
                  # PSI, KS and chi-square net of noise beside the evidence
                  "0.310", "0.171, p < 0.001", "0.190, p < 0.001", "653",
                  # quality by slice, without labels, and the mix of the labels
                  "0.812 (0.790 to 0.833)", "412 of 17,000 (2.4%)", "cola=a", "0.801 (0.780 to 0.822)",
                  "assumes that scores are calibrated", "52%", "assumes that only the shares have changed"):  # fmt: skip
        assert words in page.words, words


def test_nothing_is_fetched_from_elsewhere() -> None:
    markup = monitor_page(full_state())
    assert re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", markup) == []
    assert "connect-src" not in markup
    assert "connect-src 'self'" in monitor_page(full_state(), refresh=5)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_data_becomes_markup(text: str) -> None:
    plain, hostile = Page(monitor_page(full_state())), Page(monitor_page(full_state(text)))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]


def quiet(level: str) -> MonitorState:
    signal = Signal("Is it up?", level, "no requests")  # type: ignore[arg-type]
    return replace(full_state(), alarms=(), signals=(signal,))


@pytest.mark.parametrize(
    ("level", "title"),
    [("good", "No alarm"), ("warn", "No alarm, with warnings"), ("unknown", "No alarm"), ("bad", "No alarm, but")],
)
def test_the_verdict_without_alarms(level: str, title: str) -> None:
    verdict = state_verdict(quiet(level))
    assert verdict.title.startswith(title)
    assert ("no requests" in verdict.detail) is (level != "good")


def test_a_live_page_follows_the_state_and_says_when_it_cannot(chromium: Any) -> None:
    states = [full_state()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = monitor_page(states[0], refresh=1).encode() if states else b""
            self.send_response(200 if states else 503)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page, problems = chromium.new_page(), list[str]()
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.get_by_text("2 rows that show it").click()
        states[0] = replace(full_state(), notes=("the second state",))
        page.get_by_text("the second state").wait_for()
        assert page.locator("details[open]").count() == 1
        assert page.locator("svg title").count() == 0
        states.clear()
        page.get_by_text("does not answer").wait_for()
        assert "the second state" in page.content()
    finally:
        server.shutdown()
        server.server_close()
    assert problems == []


def test_a_narrow_screen_needs_no_scrolling_to_the_side(chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.set_content(monitor_page(full_state()))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
