"""Metrics on the test split, and gates on them."""
