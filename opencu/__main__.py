"""python -m opencu: the same as the command opencu."""

import sys

from opencu.cli import main

sys.exit(main())
