"""Telling people: what they should know, over every channel, once; and trying again what failed."""

from mape_k.notify.conditions import conditions, follow
from mape_k.notify.repeating import Repeater
from mape_k.notify.telling import Notifications

__all__ = ["Notifications", "Repeater", "conditions", "follow"]
