"""`--target local` on the command line: the rehearsal is found, started where that is asked, and its endpoint shown."""

from __future__ import annotations

import shutil

from mlspec.apply.apply_plan import ApplyRequest
from mlspec.cli.console import Console
from mlspec.cli.deployed import shipping
from mlspec.cli.example_request import example_request
from mlspec.errors import EXIT_OK, UsageError
from mlspec.stage_context import StageContext


def start(request: ApplyRequest) -> None:
    """Start what does not run. Raises UsageError for faults without a rehearsal, and where nothing is deployed."""
    context = request.context
    if not context.facts.rehearsal:
        if context.faults:
            raise UsageError("--fault only works with --target local", help="add --target local")
        return
    from mlspec.shipping.rehearsal.injected_faults import Faults
    from mlspec.shipping.rehearsal.rehearsal import here

    shipping(request.where)
    Faults.parse(context.faults)
    here(context).start()


def show(console: Console, context: StageContext) -> None:
    """Where the rehearsal answers, and a line to try it with."""
    if not context.facts.rehearsal:
        return
    from mlspec.shipping.rehearsal.rehearsal import here

    rehearsal = here(context)
    address, example = rehearsal.address, rehearsal.home.example
    if address is None:
        return
    console.out(f"endpoint: {address}/predict")
    if example is not None:
        console.out(f"  {example_request(f'{address}/predict', example, context.root)}")
    console.out("  mlspec destroy --target local    stops it")


def stop(console: Console, context: StageContext) -> int | None:
    """End the rehearsal, and forget it; None where the target is an account."""
    if not context.facts.rehearsal:
        return None
    from mlspec.shipping import release_file
    from mlspec.shipping.rehearsal.rehearsal import here

    ended = here(context).stop()
    shutil.rmtree(context.local_dir, ignore_errors=True)
    release_file.file(context.root / "artifacts", context.target).unlink(missing_ok=True)
    if console.as_json:
        console.document({"ok": True, "removed": ended, "left": []})
    console.say(f"ended: {', '.join(ended)}" if ended else "the rehearsal was not running")
    return EXIT_OK
