"""One folder for each section of the spec: its options, checks, files and stages; `registry.py` lists them."""
