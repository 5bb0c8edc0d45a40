"""What people were told, so that the same is told once a day on each channel."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, insert, select

from mape_k.knowledge.schema import deliveries
from mape_k.model import Message

LOOK_BACK = timedelta(hours=24)
"""For so long the same content is not told again on the same channel."""


def record(connection: Connection, channel: str, message: Message, at: datetime) -> None:
    """Keep that a message was delivered."""
    row = {
        "channel": channel,
        "content_hash": message.content_hash(channel),
        "subject": message.subject,
        "urgency": message.urgency.value,
        "delivered_at": at,
    }
    connection.execute(insert(deliveries).values(row))


def was_delivered(connection: Connection, channel: str, message: Message, at: datetime) -> bool:
    """Return whether the same content was delivered on this channel within :data:`LOOK_BACK`."""
    same = deliveries.c.content_hash == message.content_hash(channel)
    recent = deliveries.c.delivered_at > at - LOOK_BACK
    return bool(connection.execute(select(exists().where(same & recent))).scalar())


def prune(connection: Connection, before: datetime) -> None:
    """Forget what was delivered before."""
    connection.execute(delete(deliveries).where(deliveries.c.delivered_at < before))
