"""The composition root, and the only importer of ``integration``."""

from mape_k.main.asking import ask_prometheus
from mape_k.main.daemon import run
from mape_k.main.deploying import reload_servers, verify
from mape_k.main.trial import Checked, check, once
from mape_k.main.wiring import system_clock

__all__ = ["Checked", "ask_prometheus", "check", "once", "reload_servers", "run", "system_clock", "verify"]
