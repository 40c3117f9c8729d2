"""What a Project comes to: files to write and stages to run. Frozen data, in a stable order."""
