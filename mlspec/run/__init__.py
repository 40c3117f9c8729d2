"""Stages to Outcomes: the second door to the world outside."""
