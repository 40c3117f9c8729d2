"""One server whose prediction log is switched on and off in turn, so that both share a process and the machine's load.

python benchmarks/_logged_server.py BUNDLE POLICY PORT_FILE SLICE SECONDS

Prints the CPU seconds of this process in each slice as JSON: `{"first": 17, "cpu": [0.2, ...]}`.
A slice is counted in units of SLICE seconds since 1970; `on` tells which have the log.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path

from mlspec.runtime import log_setup
from mlspec.runtime.http import Background
from mlspec.runtime.service import load


def on(number: int) -> bool:
    """Whether the log is on in that slice: the order of each pair is the reverse of the one before."""
    return number % 4 in (0, 3)


def main(bundle: Path, policy: Path, port: Path, length: float, seconds: float) -> None:
    service = load(bundle, shared=True)
    service.warm_up()
    gc.freeze()
    log = log_setup.attach(service, "http", policy, {})
    assert log is not None
    log.start()
    report = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the access log
    server = Background(service, log=True)
    port.write_text(str(server.port))
    cpu: list[float] = []
    first = number = int(time.time() / length) + 1
    end = first + int(seconds / length)
    while number < end:
        time.sleep(max(0.0, number * length - time.time()))
        service.log = log if on(number) else None
        before = time.process_time()
        number += 1
        time.sleep(max(0.0, number * length - time.time()))
        if service.log is not None:
            log.flush()
        cpu.append(time.process_time() - before)
    server.stop()
    log.close()
    os.write(report, json.dumps({"first": first, "cpu": cpu}).encode())


if __name__ == "__main__":
    bundle, policy, port, length, seconds = sys.argv[1:]
    main(Path(bundle), Path(policy), Path(port), float(length), float(seconds))
