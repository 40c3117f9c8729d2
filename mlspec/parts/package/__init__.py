"""`package`: the serving image."""
