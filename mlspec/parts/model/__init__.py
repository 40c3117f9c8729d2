"""The model: which network, and how large."""
