"""Monitoring of a deployed model: what it predicted, whether its inputs or its quality changed, and what follows."""
