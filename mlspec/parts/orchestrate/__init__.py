"""`orchestrate`: what the files of all orchestrators have in common."""
