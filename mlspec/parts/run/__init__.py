"""`run`: time limits, retries and resources of the stages."""
