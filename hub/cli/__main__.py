"""The entry point of ``chairside``, and of ``python -m hub.cli``."""

import gc
import sys


def run() -> int:
    """Import the commands and run one.

    Imports create no garbage, and collecting it would take a fifth of the start-up time.
    """
    gc.disable()
    from hub.cli.main import main

    gc.enable()
    return main()


if __name__ == "__main__":
    sys.exit(run())
