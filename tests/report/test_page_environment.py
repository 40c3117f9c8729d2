"""The pages of results and of a served model are compiled once, for all processes of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.report.page_environment import page_environment


def test_the_cache_of_the_user_has_the_compiled_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    page_environment.__wrapped__().get_template("report/page.html.j2")
    (compiled,) = tmp_path.rglob("*.cache")
    before = compiled.stat().st_mtime_ns
    page_environment.__wrapped__().get_template("report/page.html.j2")
    assert compiled.stat().st_mtime_ns == before


def test_text_from_results_is_escaped() -> None:
    assert page_environment().from_string("{{ text | answer }}").render(text="<b>") == "&lt;b&gt;"
