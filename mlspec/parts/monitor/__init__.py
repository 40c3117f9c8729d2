"""`monitor`: what is kept of every prediction, where it is seen, and what raises an alarm."""
