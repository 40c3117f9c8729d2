"""Monitoring of a deployed model: the store of its predictions, the reference, drift, quality and late labels."""
