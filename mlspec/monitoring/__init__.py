"""Monitoring of a model in production."""
