"""The part `run`."""
