"""Text in Markdown keeps its meaning: rendered, it is the same text."""

from __future__ import annotations

import html
import re

import pytest

from mlspec.render.markdown import code, plain, table

markdown = pytest.importorskip("markdown")
TEXTS = ["plain", "a|b", "`x`", "``x", "*bold* _it_", "<script>alert(1)</script>", "[a](b) ![c](d)", "# title", "- item", "1. one",
         "a \\ b", "~~gone~~", "&amp; &lt;", "two\nlines", "", "é ü 日本", "--- ---"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("as_cell", [plain, code])
def test_a_cell_is_the_same_text(text: str, as_cell: object) -> None:
    assert callable(as_cell)
    lines = list(table(("a", "b"), [(as_cell(text), "end")], 1))
    page = markdown.markdown("\n".join(lines), extensions=["tables"])
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    assert len(cells) == 2
    bare = html.unescape(re.sub(r"</?code>", "", cells[0]))
    assert bare.replace("\\", "").strip() == " ".join(text.split()).replace("\\", "")
    assert "<script" not in page


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\u202eb", "a\x00b"])
def test_control_characters_are_escaped(text: str) -> None:
    assert plain(text).replace("\\\\", "").isprintable()
    assert code(text).isprintable()
