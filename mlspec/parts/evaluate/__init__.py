"""Evaluation: the metrics of the task, and the gates that a model must pass."""
