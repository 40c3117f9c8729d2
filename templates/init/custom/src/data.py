"""Weekly measurements of carbon dioxide to one row a month: the last changes, and the change that followed."""

import csv
from collections import defaultdict
from pathlib import Path

FILE = Path(__file__).parent.parent / "data" / "co2.csv"
LAGS = (1, 2, 3, 6, 11, 12)


def load() -> list[dict[str, object]]:
    """One row for each month with a full year of months before it. Later months are kept for validation and test."""
    means = monthly()
    change = {month: means[month] - means[month - 1] for month in means if month - 1 in means}
    rows: list[dict[str, object]] = []
    for month in sorted(change):
        if all(month - lag in change for lag in LAGS):
            year = month // 12
            rows.append(
                {
                    "year": year,
                    "month": f"{month % 12 + 1:02}",
                    **{f"change_{lag}": round(change[month - lag], 4) for lag in LAGS},
                    "change": round(change[month], 4),
                    "split": "train" if year < 1991 else "valid" if year < 1996 else "test",
                }
            )
    return rows


def monthly() -> dict[int, float]:
    """Mean of the weeks of each month, by the number of months since the year 0; a month without a week is left out."""
    weeks: dict[int, list[float]] = defaultdict(list)
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["co2"]:
                weeks[int(row["date"][:4]) * 12 + int(row["date"][4:6]) - 1].append(float(row["co2"]))
    return {month: sum(values) / len(values) for month, values in weeks.items()}
