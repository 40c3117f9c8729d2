"""A table of houses."""


def load():
    """The rows."""
    return []
