"""A policy in the files of a delivery tool, as the value that the file is rendered from: for an audit. Pure."""

from __future__ import annotations

from typing import NamedTuple

from mlspec.aws.policy_document import PolicyDocument


class ToolPolicy(NamedTuple):
    """A policy, and the generated file that creates it. Those of one file are in its order."""

    file: str
    document: PolicyDocument
