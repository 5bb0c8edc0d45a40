"""The composition root, and the only importer of ``integration``.

What only single commands need is imported from its own module, so that the daemon starts without it.
"""

from mape_k.main.daemon import run
from mape_k.main.trial import Checked, check, once
from mape_k.main.wiring import system_clock

__all__ = ["Checked", "check", "once", "run", "system_clock"]
