"""Monthly rows from weekly measurements of carbon dioxide: the changes of earlier months, and the change to predict."""

import csv
from collections import defaultdict
from pathlib import Path

FILE = Path(__file__).parent.parent / "data" / "co2.csv"
LAGS = (1, 2, 3, 6, 11, 12)


def load() -> list[dict[str, object]]:
    """A row for each month after a full year of data. The last years are for validation and test."""
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
    """Mean of each month by its number, counted from year 0. Months without a measurement are left out."""
    weeks: dict[int, list[float]] = defaultdict(list)
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["co2"]:
                weeks[int(row["date"][:4]) * 12 + int(row["date"][4:6]) - 1].append(float(row["co2"]))
    return {month: sum(values) / len(values) for month, values in weeks.items()}
