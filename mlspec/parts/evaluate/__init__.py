"""Evaluation: the metrics of the task, and the gates that a model has to pass."""
