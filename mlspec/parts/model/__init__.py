"""The model: the network and its size."""
