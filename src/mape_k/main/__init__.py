"""The composition root, and the only importer of ``integration``."""

from mape_k.main.daemon import run
from mape_k.main.trial import Checked, check, once
from mape_k.main.wiring import system_clock

__all__ = ["Checked", "check", "once", "run", "system_clock"]
