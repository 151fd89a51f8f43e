"""`python -m palm`: the same as the command `palm`."""

import sys

from palm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
