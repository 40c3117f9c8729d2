"""Syntax errors of ES|QL queries, by Elastic's own grammar, which has an environment of its own for its ANTLR release."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import missing

_PROGRAM = """\
import json, sys
from antlr4 import CommonTokenStream, InputStream
from antlr4.error.ErrorListener import ErrorListener
from esql_parser.EsqlBaseLexer import EsqlBaseLexer
from esql_parser.EsqlBaseParser import EsqlBaseParser

class Listener(ErrorListener):
    def __init__(self):
        self.messages = []
    def syntaxError(self, recognizer, symbol, line, column, message, error):
        self.messages.append(f"{line}:{column}: {message}")

def errors(query):
    listener = Listener()
    lexer = EsqlBaseLexer(InputStream(query))
    parser = EsqlBaseParser(CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(listener)
    parser.singleStatement()
    return listener.messages

print(json.dumps([errors(query) for query in json.load(sys.stdin)]))
"""


def syntax_errors(queries: Sequence[str]) -> list[list[str]]:
    """The syntax errors of each query."""
    folder = os.environ.get("MLSPEC_ESQL")
    if not folder or not (python := Path(folder, "bin/python")).is_file():
        missing("the grammar of ES|QL (Python package esql-parser, in an environment of its own; MLSPEC_ESQL=folder)")
    done = subprocess.run(
        [str(python), "-c", _PROGRAM], input=json.dumps(list(queries)), capture_output=True, text=True, check=True
    )
    parsed: list[list[str]] = json.loads(done.stdout)
    return parsed
