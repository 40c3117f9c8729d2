"""Data for the examples in `specs/`, which have none: what each spec describes, easy enough for a model of seconds."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

Files = Iterator[tuple[str, bytes]]
"""Path in the project, and content."""


def minimal() -> Files:
    """Sentences with a word that says which."""
    draw = random.Random(1)
    rows = [(f"the food was {word} and we ate it", label) for word, label in _GOOD_AND_BAD for _ in range(30)]
    draw.shuffle(rows)
    yield "data/sentences.csv", _csv(("sentence", "label"), rows)


def regression() -> Files:
    """Houses whose price follows from their area, their age and their district."""
    draw = random.Random(2)
    for name, count in (("houses-1", 200), ("houses-2", 150), ("valid", 60), ("test", 60)):
        rows = [_house(draw) for _ in range(count)]
        yield f"data/{name}.parquet", _parquet(rows)


def images() -> Files:
    """Leaves of four colours."""
    from PIL import Image

    draw = random.Random(3)
    colours = {"ash": (40, 160, 60), "beech": (170, 120, 40), "maple": (190, 50, 40), "oak": (90, 90, 160)}
    for tree, colour in colours.items():
        for number in range(24):
            picture = Image.new("RGB", (64, 64), tuple(part + draw.randrange(-30, 31) for part in colour))
            raw = io.BytesIO()
            picture.save(raw, "PNG")
            yield f"data/leaves/{tree}/{number:02}.png", raw.getvalue()


def custom() -> Files:
    """Clicks, most of them on what stands first."""
    draw = random.Random(4)
    rows: list[Mapping[str, object]] = []
    for _ in range(300):
        position = draw.randrange(1, 10)
        clicked = "yes" if draw.random() < (0.9 if position < 4 else 0.1) else "no"
        country = draw.choice(("de", "fr", "pl"))
        rows.append(
            {"query_length": draw.randrange(1, 9), "position": position, "country": country, "clicked": clicked}
        )
    yield "clicks.parquet", _parquet(rows)


def sentence_pair() -> Files:
    """What follows from a sentence repeats it, what contradicts it denies it."""
    draw = random.Random(5)
    names = ("Ann", "Ben", "Eva", "Max", "Tim", "Zoe")
    deeds = ("sleeps", "sings", "reads", "runs", "cooks", "swims")
    places = ("home", "school", "sea", "station", "park")
    for file in (1, 2):
        lines = []
        for _ in range(180):
            name, deed, place = draw.choice(names), draw.choice(deeds), draw.choice(places)
            premise = f"{name} {deed} at the {place} on day {draw.randrange(10_000)}"
            relation = draw.choice(("entails", "neutral", "contradicts"))
            hypotheses = {"entails": f"{name} {deed}", "contradicts": f"it is not true that {name} {deed}"}
            hypothesis = hypotheses.get(relation, "it may rain tomorrow")
            lines.append(json.dumps({"premise": premise, "hypothesis": hypothesis, "relation": relation}))
        yield f"data/pairs/{file}.jsonl", "\n".join(lines).encode()


def subfolder() -> Files:
    """Customers; the older ones buy."""
    draw = random.Random(6)
    rows = [(draw.randrange(18, 90), draw.choice(("Bonn", "Hof", "Ulm"))) for _ in range(240)]
    yield "data/rows.csv", _csv(("age", "city", "bought"), [(a, city, "yes" if a > 50 else "no") for a, city in rows])


EXAMPLES: Final[Mapping[str, Callable[[], Files]]] = {
    "custom": custom, "images": images, "minimal": minimal, "regression": regression, "sentence-pair": sentence_pair,
    "subfolder": subfolder,
}  # fmt: skip
"""Folder in `specs/` to its data."""


def write(root: Path, example: str) -> None:
    """Put the data of an example into its project."""
    for path, content in EXAMPLES[example]():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


_GOOD_AND_BAD: Final = (
    ("good", "yes"),
    ("great", "yes"),
    ("lovely", "yes"),
    ("bad", "no"),
    ("awful", "no"),
    ("poor", "no"),
)


def _house(draw: random.Random) -> Mapping[str, object]:
    area, built = draw.uniform(40, 200), draw.randrange(1920, 2024)
    district, heating = draw.choice(("north", "south", "west")), draw.choice(("gas", "heat pump"))
    extra = {"north": 0.0, "south": 60.0, "west": 30.0}[district]
    price = 100 + 2 * area + 0.5 * (built - 1970) + extra + draw.gauss(0, 5)
    return {
        "area": area, "rooms": 1 + area // 30, "year_built": built, "district": district, "heating": heating, "price": price,
    }  # fmt: skip


def _parquet(rows: list[Mapping[str, object]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), raw)
    return raw.getvalue()


def _csv(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()
