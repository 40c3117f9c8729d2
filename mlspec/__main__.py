"""`python -m mlspec` is the same program as `mlspec`."""

import sys

from mlspec.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
