"""What a pack's folder holds besides ``pack.yaml``: read bounded, refused with file, line, key and remedy."""

from mape_k.packfiles.alertmanager import AlertmanagerFile, read_alertmanager_file
from mape_k.packfiles.boards import Board, Panel, read_board
from mape_k.packfiles.folder import PackFolder, counts, read_folder
from mape_k.packfiles.inventory import Inventory, Label, Metric, read_inventory, read_inventory_file
from mape_k.packfiles.reading import Refusal, RefusedError, read_text
from mape_k.packfiles.recognise import AnyFile, read_any
from mape_k.packfiles.rule_files import Rule, RuleFile, read_rule_file

__all__ = [
    "AlertmanagerFile",
    "AnyFile",
    "Board",
    "Inventory",
    "Label",
    "Metric",
    "PackFolder",
    "Panel",
    "Refusal",
    "RefusedError",
    "Rule",
    "RuleFile",
    "counts",
    "read_alertmanager_file",
    "read_any",
    "read_board",
    "read_folder",
    "read_inventory",
    "read_inventory_file",
    "read_rule_file",
    "read_text",
]
