"""`dagster`: the stages as assets of a Dagster project."""
