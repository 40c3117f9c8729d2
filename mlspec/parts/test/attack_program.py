"""TextAttack's side of an attack: a program for a Python environment that has TextAttack, and not mlspec.

It reads JSON lines from stdin and writes JSON lines to stdout. The first line is the request; for predictions it writes
`{"row": 7, "ask": [[text, ...], ...]}` and reads one list of scores per row. It refuses every connection.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

BATCH = 128
"""Texts in one question: a greedy step asks about all changes of a word at once."""


class Channel:
    """JSON lines to and from the process that has the model."""

    def __init__(self, incoming: TextIO, outgoing: TextIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self.row = 0
        """The row that is attacked, whose other inputs a prediction needs."""

    def read(self) -> Any:
        """The next line. Exits if the other process is gone."""
        line = self._incoming.readline()
        if not line:
            raise SystemExit(1)
        return json.loads(line)

    def write(self, **message: object) -> None:
        """Send one line."""
        self._outgoing.write(json.dumps(message) + "\n")
        self._outgoing.flush()


def main() -> None:
    """Attack every row of the request with every recipe of it."""
    # What libraries print must not be read as an answer.
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.addaudithook(offline)
    channel = Channel(sys.stdin, outgoing)
    request = channel.read()
    stop_words = write_stop_words(Path(os.environ["NLTK_DATA"]))
    build = _recipes(channel)
    channel.write(ready={"textattack": importlib.metadata.version("textattack"), "stop_words": stop_words})
    for recipe in request["recipes"]:
        attack = build(recipe)
        attack.goal_function.query_budget = request["max_queries"]
        attack.goal_function.batch_size = BATCH
        for row in request["rows"]:
            channel.row = row["row"]
            seed(f"{request['seed']}:{recipe}:{channel.row}")
            channel.write(result={"recipe": recipe, "row": row["row"], **_attacked(attack, row)})
    channel.write(done=True)


def offline(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse connections: TextAttack and its libraries download what they miss, without being asked."""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise ConnectionRefusedError(f"an attack connects to nothing, and a library tried {event}{arguments[-1:]}")


def write_stop_words(folder: Path) -> str:
    """Write the words that no recipe changes where NLTK looks for them; returns where they come from."""
    import sklearn
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    file = folder / "corpora" / "stopwords" / "english"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{word}\n" for word in sorted(ENGLISH_STOP_WORDS)), encoding="utf-8")
    return f"scikit-learn {sklearn.__version__}, English"


def _recipes(channel: Channel) -> Callable[[str], Any]:
    """The function that builds the attack of a name, on the model at the other end of the channel."""
    import torch
    from textattack.attack_recipes import DeepWordBugGao2018, Pruthi2019
    from textattack.models.wrappers import ModelWrapper

    torch.set_num_threads(1)

    class AttackedModel(ModelWrapper):  # type: ignore[misc]
        model = None

        def __call__(self, texts: list[Any], **_: object) -> Any:
            channel.write(row=channel.row, ask=[[text] if isinstance(text, str) else list(text) for text in texts])
            # In single precision, probabilities near 0 and 1 do not differ.
            return torch.tensor(channel.read(), dtype=torch.float64)

    known = {"deepwordbug": DeepWordBugGao2018, "pruthi": Pruthi2019}
    return lambda name: known[name].build(AttackedModel())


def seed(text: str) -> None:
    """Seed every generator, so that the attack of a row does not depend on the rows before it."""
    import numpy as np
    import torch

    generator = random.Random(text)
    random.seed(generator.random())
    np.random.seed(generator.randrange(2**32))
    torch.manual_seed(generator.randrange(2**32))


def _attacked(attack: Any, row: dict[str, Any]) -> dict[str, Any]:
    """The changed texts, by input, with the changed words, all words and queries; or the error of TextAttack."""
    try:
        outcome = attack.attack(OrderedDict(row["texts"]), row["label"])
    except Exception as error:  # noqa: BLE001 - one unusual text must not end the others
        return {"error": f"{type(error).__name__}: {error}"}
    before, after = outcome.original_result.attacked_text, outcome.perturbed_result.attacked_text
    changed = after.tokenizer_input
    texts = [changed] if isinstance(changed, str) else list(changed)
    return {
        "success": type(outcome).__name__ == "SuccessfulAttackResult",
        "texts": dict(zip(row["texts"], texts)),  # noqa: B905 - Python 3.9
        "changed": len(before.all_words_diff(after)),
        "words": before.num_words,
        "queries": outcome.num_queries,
    }


if __name__ == "__main__":
    # The folder of this file has modules of mlspec.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).resolve().parent)]
    main()
