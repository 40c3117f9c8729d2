"""Monitoring: what the served model did, whether its inputs moved, and what to do about it."""
