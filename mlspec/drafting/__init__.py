"""A file of data to a first spec that a person corrects: what each column probably is, and why."""
