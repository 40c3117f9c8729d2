"""The SAM command line and SAM's own translator, which have an environment of their own for the pydantic they pin."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from tests.conftest import missing

_PROGRAM = """\
import json, logging, sys
logging.disable(logging.CRITICAL)
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

class Policies:
    def load(self):
        return {}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"template": transform(request["template"], request["parameters"], Policies())}
    except InvalidDocumentException as error:
        answer = {"errors": [cause.message for cause in error.causes]}
    print(json.dumps(answer), flush=True)
"""


def sam_folder() -> Path:
    """The folder of the environment; skips where it is missing."""
    folder = os.environ.get("MLSPEC_SAM", "")
    if not folder or not (Path(folder) / "bin" / "sam").is_file():
        missing("the SAM command line (Python package aws-sam-cli, in an environment of its own; MLSPEC_SAM=folder)")
    return Path(folder)


@dataclass(frozen=True)
class Translator:
    """SAM's translator in a process of its own."""

    process: subprocess.Popen[str]

    def translate(self, template: JsonValue, parameters: Mapping[str, str]) -> dict[str, JsonValue]:
        """The template of CloudFormation for one of SAM, whose intrinsic functions have their long form."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"template": template, "parameters": dict(parameters)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "errors" not in answer, answer
        translated: dict[str, JsonValue] = answer["template"]
        return translated


@contextmanager
def translator() -> Iterator[Translator]:
    """A translator that runs until the end of the block."""
    environ = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1", "PYTHONPATH": ""}
    command = [str(sam_folder() / "bin" / "python"), "-c", _PROGRAM]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environ) as process:
        yield Translator(process)
        assert process.stdin
        process.stdin.close()
