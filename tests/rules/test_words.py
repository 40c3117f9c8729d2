"""How mlspec speaks: plain technical English in messages, docstrings, comments, names, templates and docs."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import CHECKOUT

BANNED: dict[str, str] = {
    r"the line's|(in|of|end|stop|run|fail)s? the line\b(?! (of|that|in|is|was|to|with)\b)": "the pipeline",
    r"\b(house|rooms?)\b": "package, module, layer",
    r"\bdoors?\b": "interface, entry point",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(goes|went|going|go) on\b": "resume, continue",
    r"\b(tak(e|es|en|ing)|took) (it |them |that |this )?back\b": "roll back",
    r"\b(stays?|stayed|kept|keeps?) back\b": "is held",
    r"\bcallers\b": "clients (of a deployed model), or name who calls",
    r"\b(told|said)\b": "reported, shown, stated",
    r"\btells?\b": "shows, reports, states",
    r"\b(nobody|somebody)\b": "name who: no client, another process",
    r"\bwhoever\b": "name who: the user, a client",
    r"\bnothing here\b": "name what is missing",
    r"\bthere (is|are) no\b": "X not found: NAME; the project has no X",
    r"\bis no\b(?! (longer|more)\b)": "is not a",
    r"\bhardly\b": "rarely, probably not",
    r"\bflatter": "are too optimistic",
    r"\blook(s|ed)? at\b": "reads, inspects, compares",
    r"\bwants\b": "expects, requests; the desired X",
    r"\bends? (it|them)\b": "stops",
    r"\b(is|are|kept|keep|always) warm\b|\bwarm copies\b": "initialised (provisioned concurrency)",
    r"\brings?\b": "fires",
    r"\bharm\b": "inject a fault",
    r"\bmeant\b": "intended; probably X",
    r"\bby hand\b": "manually",
    r"\bin silence\b": "silently, without a message",
    r"\bof one's own\b": "of your own",
    r"\bgive yourself the right\b": "fix the permissions",
    r"\bno finite number\b": "is NaN or infinite",
    r"\bways? on\b": "the next step, the fix",
    r"\bin the way\b": "blocks; already exists",
    r"\bat odds\b": "differs",
    r"\bbears?\b": "supports, tolerates",
    r"\b(when|where) left out\b": "default: X",
    r"\bsmall letters\b": "lowercase",
    r"\banew\b": "again",
    r"\b(any|every)body\b": "name who: anyone on the internet, all clients",
    r"\bpassed over\b": "skipped",
    r"\bspeaks? of\b": "is about, refers to",
    r"\bat fault\b": "invalid, the cause",
    r"\bas (it|they) stands?\b": "raw, unchanged",
    r"\bby way of\b": "through",
    r"\bturn(s|ed)? away\b": "throttle, reject",
}
"""Patterns that no text of mlspec has, each with what an engineer would say. `docs/glossary.md` explains them."""
ANY_BANNED = re.compile("|".join(f"(?:{pattern})" for pattern in BANNED), re.IGNORECASE)
"""Each of them: most lines have none, and are searched once."""

TEST_NAMES: dict[str, str] = {
    r"\bgo(es|ne)? (away|out|together|missing|along|under)\b": "is removed, deployed, batched",
    r"\bis (gone|doubted|believed|forgotten)\b": "is removed, reported, ignored",
    r"\bone looks\b": "it is measured",
    r"\b(speaks|asks (of|for more|whether))\b": "prints, requires",
    r"\blast words?\b": "log lines, result",
    r"\b(nasty|trouble|dress|unsaid|company)\b": "hostile, failure, form, hidden",
    r"\bkept apart\b": "recorded separately",
    r"\bnowhere\b": "dangling, unknown, never",
    r"\bknows (its|the|whether)\b": "has, reads",
    r"\bas it was$": "unchanged",
}
"""Patterns that no name of a test has, besides those above: turns of phrase that a reader has to guess."""

NAMES = {"found", "made", "told", "said", "asked", "wanted", "stood", "grown"}
"""Names of variables, arguments and functions that say what happened, not what the thing is."""

ALLOWED: dict[str, tuple[str, ...]] = {}
"""Texts that need a banned word: by file, the phrase with the word."""


def files() -> list[Path]:
    """Every file whose text people read: code, templates, docs."""
    code = [*(CHECKOUT / "mlspec").rglob("*.py"), *(CHECKOUT / "mlspec").rglob("*.md")]
    templates = [f for f in (CHECKOUT / "templates").rglob("*") if f.is_file() and f.suffix not in (".csv", ".png")]
    pages = [*(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md"]
    return sorted(
        f for f in (*code, *templates, *pages) if "__pycache__" not in f.parts and "_templates" not in f.parts
    )


def relative(file: Path, root: Path = CHECKOUT) -> str:
    return file.relative_to(root).as_posix()


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file with their lines: of Python its strings and comments, of others every line."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.name == "glossary.md":
        text = text.partition("\n## Wording\n")[0]  # the table there names the banned words
    if file.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield from enumerate(token.string.splitlines(), token.start[0])


def names(file: Path) -> Iterator[tuple[int, str]]:
    """What a Python file calls its variables, arguments, functions and attributes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def named(file: Path, place: str) -> list[str]:
    """Every name of a Python file that says what happened, with its line."""
    return [f"{place}:{line}: the name `{name}`" for line, name in names(file) if name.strip("_").lower() in NAMES]


def faults(file: Path, root: Path = CHECKOUT) -> list[str]:
    """Every banned word of a file with its line and what to say instead."""
    place = relative(file, root)
    allowed = ALLOWED.get(place, ())
    wording = [
        f"{place}:{line}: {match[0]!r}; say: {better}"
        for line, text in texts(file)
        if ANY_BANNED.search(text)
        for pattern, better in BANNED.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
        if not any(phrase in text for phrase in allowed)
    ]
    if file.suffix != ".py" or not place.startswith("mlspec/"):
        return wording
    return wording + named(file, place)


def test_plain_technical_english() -> None:
    assert [fault for file in files() for fault in faults(file)] == []


def python_files() -> list[Path]:
    """The tests of the repository, without those that are generated."""
    return sorted(f for f in (CHECKOUT / "tests").rglob("*.py") if "projects" not in f.parts)


GENERATED = sorted((CHECKOUT / "tests" / "golden" / "projects").rglob("*.py"))
"""The tests and the code of generated projects."""


def name_faults(text: str) -> list[str]:
    """Every test of a file whose name has a banned word, read as a sentence."""
    tests = [n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    sentences = {name: name.replace("_", " ") for name in tests}
    return [n for n, sentence in sentences.items() if any(re.search(p, sentence) for p in (*BANNED, *TEST_NAMES))]


def test_names_in_tests_are_nouns() -> None:
    """Those of helpers, fixtures, fields and variables; in the tests that mlspec generates too."""
    assert [fault for file in [*python_files(), *GENERATED] for fault in named(file, relative(file))] == []


def test_names_of_tests_are_plain_technical_english() -> None:
    texts_of_tests = {relative(file): file.read_text(encoding="utf-8") for file in python_files()}
    assert [f"{file}: {name}" for file, text in texts_of_tests.items() for name in name_faults(text)] == []


def test_a_banned_word_in_the_name_of_a_test_is_detected() -> None:
    text = "def test_the_stage_goes_on(): ...\n\n\ndef test_a_recommended_house_number(): ...\n\n\ndef told(): ...\n"
    text += "\n\ndef test_odd_texts_are_no_trouble(): ...\n\n\ndef test_the_page_knows_nothing(): ...\n"
    faulty = ["test_the_stage_goes_on", "test_a_recommended_house_number", "test_odd_texts_are_no_trouble"]
    assert name_faults(text) == faulty


def test_a_name_that_says_what_happened_is_detected(tmp_path: Path) -> None:
    file = tmp_path / "test_sample.py"
    file.write_text("class Told:\n    said: str\n\n    def made(self, asked):\n        self.wanted = [found := 1]\n")
    assert sorted(text.split("`")[1] for text in named(file, "x")) == sorted(
        ["Told", "said", "made", "asked", "wanted", "found"]
    )


def test_a_banned_word_is_seen(tmp_path: Path) -> None:
    """In a docstring, a comment, a message and a name; not where a word only contains the letters."""
    file = tmp_path / "mlspec" / "sample.py"
    file.parent.mkdir()
    file.write_text('"""Mends it."""\n\nfound = 1  # nobody here\nprint("it goes on", "recommended housing")\n')
    words = [fault.split(": ", 1)[1].split(";")[0] for fault in faults(file, tmp_path)]
    assert words == ["'Mends'", "'nobody'", "'goes on'", "the name `found`"]


ERRORS = {"MlspecError", "StageError", "UsageError", "ConflictError", "Finding", "Diagnostic"}
"""What a user reads when something is wrong."""
HELP_AT = {"Finding": 3, "Diagnostic": 4}
"""The position of `help` where it is given without its name."""
NO_HELP = "# no help:"
"""A comment on the line of an error for which no step can be named, with the reason."""


def without_help(file: Path) -> Iterator[str]:
    """Errors of a file that name no next step, nor say in a comment why not."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        helped = any(k.arg in ("help", None) for k in node.keywords) or len(node.args) > HELP_AT.get(
            name, len(node.args)
        )
        own = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if name in ERRORS and not helped and NO_HELP not in own:
            yield f"{relative(file)}:{node.lineno}: {name} without help"


def test_every_error_names_the_next_step() -> None:
    assert [fault for file in files() if file.suffix == ".py" for fault in without_help(file)] == []


if __name__ == "__main__":  # python -m tests.rules.test_words mlspec/aws: what is left there
    import sys

    for each in files():
        if relative(each).startswith(tuple(sys.argv[1:]) or ("",)):
            for left in [*faults(each), *(without_help(each) if each.suffix == ".py" else ())]:
                print(left)
