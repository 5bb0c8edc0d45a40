"""Packs in the folders of Prometheus, Alertmanager, Grafana and Loki: checked first, exchanged in one step.

Everything new lies in a folder of its own, named by its content, before the one file or link that the server reads is
exchanged for one that points there. Whatever happens in between, the server reads the old or the new, never a mixture.
"""

from mape_k.deploy.install import Written, install
from mape_k.deploy.places import PLACES

__all__ = ["PLACES", "Written", "install"]
