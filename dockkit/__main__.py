"""``python -m dockkit``: the command line."""

import sys

from dockkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
