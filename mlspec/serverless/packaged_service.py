"""What `serverless package` leaves in its folder: the template of the stack, and its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from mlspec.cloudformation.stack_template import StackTemplate

TEMPLATE: Final = "cloudformation-template-update-stack.json"
_STATE: Final = "serverless-state.json"


@dataclass(frozen=True, slots=True)
class PackagedService:
    """A packaged service: the template of its stack, with the tags that the stack gives to all its resources."""

    stack: str
    template: StackTemplate
    tags: dict[str, str]
    text: str
    """The template as compact JSON."""
    parameters: dict[str, str]

    def bodies(self, *ids: str) -> dict[str, JsonValue]:
        """The resources with these ids, as they are in the template."""
        resources = json.loads(self.text)["Resources"]
        return {id: resources[id] for id in ids if id in resources}

    @classmethod
    def read(cls, folder: Path) -> PackagedService:
        """The package in a folder."""
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        provider = state["service"]["provider"]
        document = json.loads((folder / TEMPLATE).read_text(encoding="utf-8"))
        given = {str(one["ParameterKey"]): str(one["ParameterValue"]) for one in provider.get("stackParameters", [])}
        text = json.dumps(document, separators=(",", ":"))
        return cls(
            str(provider["stackName"]), StackTemplate.parse(document), dict(provider.get("stackTags", {})), text, given
        )
