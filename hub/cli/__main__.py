"""Where ``chairside`` begins, and ``python -m hub.cli``, where the script is not on the path."""

import gc
import sys


def run() -> int:
    """Import the commands, and carry out one.

    What imports make is never garbage, and looking for some among it costs a fifth of the start.
    """
    gc.disable()
    from hub.cli.main import main

    gc.enable()
    return main()


if __name__ == "__main__":
    sys.exit(run())
