"""Experiment tracking: what a training reports to the trackers of the section `track`."""
