"""The plan of a Project: files to write and stages to run. Frozen data, in a stable order."""
