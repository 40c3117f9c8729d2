"""A SpecDraft to the text of `mlproject.yaml`, with the reasons as comments."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.drafting.table_draft import SpecDraft
from mlspec.render.quoting import flow

_COLUMN = 34
"""The column at which comments begin."""


def spec_text(draft: SpecDraft, name: str, source: str, *, small: bool) -> str:
    """The text of the spec. `small`: whether git should keep the data."""
    lines = [
        "# yaml-language-server: $schema=mlproject.schema.json",
        "# A draft from the data by `mlspec init --data`: check each line. What a key means: mlspec explain KEY.",
        "mlspec: 1",
        f"project: {{name: {flow(name)}}}",
        "",
        "data:",
        f"  source: {flow(source)}",
    ]
    lines += [f"# {note}" for note in draft.notes]
    if small:
        lines.append(_beside("  track: git", "small enough for git; leave out to track the data with DVC"))
    if draft.format:
        lines.append(f"  format: {flow(dict(draft.format))}")
    lines.append("  inputs:")
    lines += [_beside(f"    {flow(key)}: {kind}", draft.reasons.get(key, "")) for key, kind in draft.inputs.items()]
    lines += [_beside(f"    # {_one_line(key)}", f"left out: {why}") for key, why in draft.left_out.items()]
    lines += [f"  target: {flow(dict(draft.target))}", *_about_labels(draft.target)]
    lines += ["  split: {valid: 0.15, test: 0.15, seed: 1}", "", f"model: {flow(dict(draft.model))}"]
    train: dict[str, object] = {"max_epochs": 20, "early_stopping": {"monitor": "valid/loss"}, **draft.train}
    lines += [f"train: {flow(train)}", f"evaluate: {{metrics: {flow(list(draft.metrics))}}}", "export: {onnx: {}}"]
    return "\n".join(lines) + "\n"


def _about_labels(target: Mapping[str, object]) -> list[str]:
    labels = target.get("labels") or list(dict.fromkeys(_values(target)))
    if not isinstance(labels, list) or len(labels) != 2:
        return []
    return [f"  # f1, precision, recall and evaluate.threshold are about the second label, {flow(labels[1])}"]


def _values(target: Mapping[str, object]) -> list[object]:
    values = target.get("values")
    return list(values.values()) if isinstance(values, Mapping) else []


def _beside(text: str, comment: str) -> str:
    return f"{text:{_COLUMN}} # {_one_line(comment)}" if comment else text


def _one_line(text: str) -> str:
    """Text of the data in a comment: on one line, and without characters that YAML forbids."""
    return "".join(char if char.isprintable() else " " for char in text)
