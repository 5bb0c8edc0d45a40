"""The real daemon, with pages looked at every second instead of every day: ``python -m faults.daemon [BUG]``."""

import sys
from datetime import timedelta

from faults.plants import PLANTS
from mape_k.cli import main
from mape_k.knowledge import quarantine

if __name__ == "__main__":
    quarantine.EVERY = timedelta(seconds=1)
    for name in sys.argv[1:]:
        PLANTS[name].plant()
    sys.argv[1:] = ["run"]
    main()
