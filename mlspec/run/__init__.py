"""Runs stages and reports an Outcome for each; starts other programs and writes files of the project."""
