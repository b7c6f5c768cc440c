"""``python -m rcl.training.workers MODULE ARGUMENTS``: runs a worker of this package.

It listens before it imports what takes seconds, so that it ends in time with the process that started it.
"""

from __future__ import annotations

import sys
from importlib import import_module

from rcl.training.workers.reporting import listen


def main() -> None:
    """Run the worker."""
    listen()
    import_module(sys.argv[1]).main()


if __name__ == "__main__":
    main()
