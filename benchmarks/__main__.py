"""All benchmarks, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
    if file.stem != "timing" and not file.stem.startswith("campaign"):
        print(f"== {file.name}", flush=True)
        subprocess.run([sys.executable, str(file)], check=True)
