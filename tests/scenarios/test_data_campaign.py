"""A sample of damaged data files; `python -m benchmarks.campaign_data` runs as many as asked for."""

from __future__ import annotations

from pathlib import Path

from tests.data_campaign import Campaign


def test_a_damaged_file_gives_the_table_that_other_readers_see_or_a_refusal(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.run(range(100))
    assert min(campaign.counts["accepted"], campaign.counts["refused"]) >= 10
