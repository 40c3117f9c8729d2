"""Runs the stage `data` over damaged files and stops at the first that ends badly:
`python -m benchmarks.campaign_data --count N --seed S`."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

from tests.data_campaign import Campaign

STEP = 500


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--count", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=0, help="the first seed")
    given = asked.parse_args()
    started, last = time.monotonic(), given.seed + given.count
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        for seed in range(given.seed, last, STEP):
            upto = min(seed + STEP, last)
            with contextlib.redirect_stdout(io.StringIO()):
                campaign.run(range(seed, upto))
            print(f"up to seed {upto}: {dict(campaign.counts)}, {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
