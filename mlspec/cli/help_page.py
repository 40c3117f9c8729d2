"""The page of `mlspec --help`, made without click: its import alone takes longer than printing the page.

The commands and what the program is for are stated here once; click's own pages use them too. This module
imports nothing, not even `typing`, whose import takes as long as the start of Python.
"""

from __future__ import annotations

STAGE_NAMES = (
    "fetch", "data", "train", "evaluate", "gate", "export", "robustness", "test",
    "track", "package", "image", "push", "deploy",
)  # fmt: skip
INSTEAD: dict[str, str] = {
    **{name: f"`{name}` is a stage: mlspec apply --until {name}" for name in STAGE_NAMES},
    **dict.fromkeys(("validate", "check", "lint", "generate", "render", "compile"), "mlspec build"),
    **dict.fromkeys(("new", "create", "start"), "mlspec init"),
    **dict.fromkeys(("sweep", "tune", "search", "optimize"), "a sweep: mlspec run train -m"),
    **dict.fromkeys(("up", "repro", "pipeline"), "mlspec apply"),
    **dict.fromkeys(("predict", "server"), "mlspec serve"),
    **dict.fromkeys(("delete", "down", "remove"), "mlspec destroy"),
    **dict.fromkeys(("diff", "dryrun", "dry-run"), "mlspec plan"),
    "undo": "mlspec rollback", "dashboard": "mlspec report", "history": "mlspec releases", "lineage": "mlspec why",
    "help": "mlspec --help", "version": "mlspec --version",
}  # fmt: skip
"""What other tools and people call a command, and the command."""

COMMANDS: dict[str, str] = {
    "init": "Start a project that works at once, or from your own data.",
    "build": "Check the spec and write the files of every tool.",
    "plan": "Show what apply would do, and why.",
    "apply": "Build, then run the stages that are not up to date.",
    "status": "Show what is current and what is stale.",
    "graph": "Draw the pipeline.",
    "logs": "Show the log of a stage.",
    "report": "Write the HTML report.",
    "run": "Run one stage with Hydra overrides.",
    "propose": "Push dvc.lock and the metrics to a branch.",
    "serve": "Answer requests with the exported model.",
    "monitor": "Show the state of the served model, and its alarms.",
    "labels": "Add labels that arrive after their predictions.",
    "releases": "List the versions that were shipped.",
    "why": "Show everything that led to a version.",
    "rollback": "Send all traffic to an earlier version.",
    "destroy": "Remove what mlspec created in the account.",
    "audit": "Show what the project has access to.",
    "sbom": "Write the bill of materials of the exported model.",
    "lock": "Lock packages with their hashes.",
    "show": "Print the spec with every default filled in.",
    "schema": "Print the JSON Schema of the spec.",
    "prices": "Show the prices that costs are estimated with.",
    "explain": "Explain an error code, or a key of the spec.",
    "completion": "Print the completion script of a shell.",
    "doctor": "Show what this machine has and lacks.",
}
"""Name to one line of help; each is `command` in `mlspec/cli/commands/NAME.py`, imported only when it is called."""
ABOUT = (
    "One mlproject.yaml describes a whole machine-learning project.",
    "`mlspec build` renders the files of every tool from it, `mlspec apply` runs the pipeline.",
)
"""Paragraphs."""
OPTIONS = {"--version": "Show the version and exit.", "-h, --help": "Show this message and exit."}
WIDEST = 100
"""Columns of a page at most."""
NARROWEST = 74
"""Columns below which lines of the tables wrap, which click does."""


def help_page(columns: int) -> str:
    """The page for a terminal of so many columns, at least NARROWEST."""
    width = min(columns, WIDEST) - 2
    about = "\n\n".join(_wrapped(paragraph, width) for paragraph in ABOUT)
    return (
        f"Usage: mlspec [OPTIONS] COMMAND [ARGS]...\n\n{about}\n\n"
        f"Options:\n{_table(OPTIONS)}\n\nCommands:\n{_table(COMMANDS)}"
    )


def _wrapped(paragraph: str, width: int) -> str:
    """The paragraph, indented by two, with as many words in a line as fit."""
    lines = [""]
    for word in paragraph.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width - 2:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(f"  {line}" for line in lines)


def _table(rows: dict[str, str]) -> str:
    widest = max(map(len, rows))
    return "\n".join(f"  {name:{widest}}  {text}" for name, text in rows.items())
