"""The daemon's HTTP interface: status page, metrics, reads, pause and resume, the webhook that wakes the loop."""

from mape_k.api.events import Events
from mape_k.api.routes import ROUTES, make_app, serve
from mape_k.api.services import Live, Services

__all__ = ["ROUTES", "Events", "Live", "Services", "make_app", "serve"]
