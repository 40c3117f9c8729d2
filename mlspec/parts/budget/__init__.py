"""The budget part."""
