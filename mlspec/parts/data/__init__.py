"""Data: where it comes from, what it must satisfy, how it is split."""
