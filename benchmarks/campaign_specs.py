"""Builds many damaged specs and stops at the first that ends badly: `python -m benchmarks.campaign_specs --count N`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.campaign import Campaign

STEP = 500


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--count", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=0, help="the first seed")
    given = asked.parse_args()
    started = time.monotonic()
    for first in range(given.seed, given.seed + given.count, 100 * STEP):
        last = min(first + 100 * STEP, given.seed + given.count)
        with tempfile.TemporaryDirectory() as folder:
            campaign = Campaign(Path(folder))
            for seed in range(first, last, STEP):
                campaign.run(range(seed, min(seed + STEP, last)))
                print(
                    f"up to seed {min(seed + STEP, last)}: {dict(campaign.counts)}, {time.monotonic() - started:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
