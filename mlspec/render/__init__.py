"""Artifacts to text. Pure: templates and values in, files out."""
