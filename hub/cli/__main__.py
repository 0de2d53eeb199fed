"""``python -m hub.cli``, where the script ``chairside`` is not on the path."""

import sys

from hub.cli import main

sys.exit(main())
