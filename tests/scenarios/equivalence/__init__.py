"""Proof that every way to create a deployment creates the same resources."""
