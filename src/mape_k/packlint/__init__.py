"""The checks of rule files, boards, inventories and Alertmanager's and Prometheus' files, ours and anyone's."""

from mape_k.packlint.model import CHECKS, Check, Complaint, Severity
from mape_k.packlint.run import Report, check_files, check_pack, explain, files_below
from mape_k.packlint.sarif import sarif

__all__ = [
    "CHECKS",
    "Check",
    "Complaint",
    "Report",
    "Severity",
    "check_files",
    "check_pack",
    "explain",
    "files_below",
    "sarif",
]
