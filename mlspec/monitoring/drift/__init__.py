"""Drift of inputs and scores, found by evidence that is valid at any time: from rows to alarms, without any I/O."""
