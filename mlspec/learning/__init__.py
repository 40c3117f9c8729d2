"""What the heavy bodies of several stages share: torch datasets, batches, networks, metrics. Only `work.py`s use it."""
