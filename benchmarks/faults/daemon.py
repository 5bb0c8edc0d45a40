"""The real daemon, with pages looked at every second instead of every day: ``python -m faults.daemon [BUG]``."""

import os
import sys
from datetime import timedelta

from faults.plants import PLANTS
from mape_k.knowledge import quarantine
from mape_k.main import run
from mape_k.settings import load_settings

if __name__ == "__main__":
    quarantine.EVERY = timedelta(seconds=1)
    for name in sys.argv[1:]:
        PLANTS[name]()
    sys.exit(run(load_settings(os.environ)))
