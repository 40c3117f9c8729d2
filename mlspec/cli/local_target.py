"""`--target local` on the command line: the rehearsal is found, started where that is asked, and its endpoint shown."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

from mlspec.apply.target import aim, rehearsing
from mlspec.cli.console import Console
from mlspec.cli.deployed import shipping
from mlspec.errors import EXIT_OK, UsageError
from mlspec.workspace.spec_file import SpecFile

FAULTS = "MLSPEC_FAULTS"
"""What `shipping.local` reads; named here as well, so that no command imports it that does not need it."""


def start(faults: tuple[str, ...], where: SpecFile) -> None:
    """Start what does not run. Raises UsageError for faults without a rehearsal, and where there is none to be had."""
    if not rehearsing():
        if faults:
            raise UsageError("faults are for the rehearsal alone", help="add --target local")
        return
    from mlspec.shipping.rehearsal.injected_faults import Faults
    from mlspec.shipping.rehearsal.rehearsal import here

    shipping(where)
    os.environ[FAULTS] = json.dumps(Faults.parse(faults).as_json())
    here().start()


def show(console: Console) -> None:
    """Where the rehearsal answers, and a line to try it with."""
    if not rehearsing():
        return
    from mlspec.shipping.rehearsal.rehearsal import here

    rehearsal = here()
    address, example = rehearsal.address, rehearsal.home.example
    if address is None:
        return
    console.out(f"endpoint: {address}/predict")
    if example is not None:
        row = json.dumps(example, ensure_ascii=False)
        console.out(f"  curl -s {address}/predict -H 'Content-Type: application/json' -d {shlex.quote(row)}")
    console.out("  mlspec destroy --target local    ends it")


def stop(console: Console, root: Path) -> int:
    """End the rehearsal, and forget it."""
    from mlspec.shipping import release_file
    from mlspec.shipping.rehearsal.rehearsal import here

    aim(root)
    ended = here().stop()
    shutil.rmtree(root / ".mlspec" / "local", ignore_errors=True)
    release_file.file(root / "artifacts").unlink(missing_ok=True)
    if console.as_json:
        console.document({"ok": True, "removed": ended, "left": []})
    console.say(f"ended: {', '.join(ended)}" if ended else "the rehearsal was not running")
    return EXIT_OK
