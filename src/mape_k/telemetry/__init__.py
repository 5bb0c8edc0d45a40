"""How the daemon tells what it does: its own metrics, and one structured log line per cycle."""

from mape_k.telemetry.logs import canonical_line, configure_logging
from mape_k.telemetry.metrics import Metrics
from mape_k.telemetry.table import PREFIX, TABLE, Kind, Metric

__all__ = ["PREFIX", "TABLE", "Kind", "Metric", "Metrics", "canonical_line", "configure_logging"]
