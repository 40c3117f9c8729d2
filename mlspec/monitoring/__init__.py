"""Monitoring of a deployed model: the store of its predictions, their profiles, the reference and late labels."""
