"""What a pack's folder holds besides ``pack.yaml``: read bounded, refused with file, line, key and remedy."""

from mape_k.packfiles.inventory import Inventory, Label, Metric, read_inventory, read_inventory_file
from mape_k.packfiles.reading import Refusal, RefusedError, read_text

__all__ = [
    "Inventory",
    "Label",
    "Metric",
    "Refusal",
    "RefusedError",
    "read_inventory",
    "read_inventory_file",
    "read_text",
]
