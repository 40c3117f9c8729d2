"""The descriptions of AWS's services, read once in a process: each new session of boto3 parses megabytes of JSON again."""

from __future__ import annotations

import functools


@functools.cache
def keep_models() -> None:
    """Have the sessions of this process, and of its forks, share the files that one of them has parsed."""
    from botocore.loaders import JSONFileLoader

    loader = JSONFileLoader()
    JSONFileLoader.load_file = staticmethod(functools.cache(loader.load_file))
