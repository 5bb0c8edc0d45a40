"""The tables of Knowledge; the same for every engine."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect

from mape_k.recording import to_document


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC, also by engines that know no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


class Document(TypeDecorator[Any]):
    """Any of our values, kept as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:  # noqa: ARG002, D102
        return msgspec.json.encode(to_document(value)).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002, D102
        return None if value is None else msgspec.json.decode(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("document", Document, nullable=False),
)

cycles = Table(
    "cycles",
    metadata,
    Column("cycle_id", String, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("woken_by", String, nullable=False),
    Column("result", String),
    Column("failure", Text, nullable=False),
    Column("document", Document, nullable=False),
    Index(None, "as_of", "cycle_id"),
    Index(None, "result"),
)
"""A row without a result is a cycle that has not ended (yet)."""

snapshots = Table(
    "snapshots",
    metadata,
    Column("cycle_id", ForeignKey("cycles.cycle_id", ondelete="CASCADE"), primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("recorded", LargeBinary, nullable=False),
    Index(None, "as_of", "cycle_id", "size_bytes"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("pack", String, nullable=False),
    Column("symptom", String, nullable=False),
    Column("target", String, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("document", Document, nullable=False),
    Column("decision", Document, nullable=False),
    Index(None, "opened_at", "incident_id"),
    Index(None, "state"),
)

executions = Table(
    "executions",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("incident_id", String, nullable=False),
    Column("pack", String, nullable=False),
    Column("symptom", String, nullable=False),
    Column("remediation", String, nullable=False),
    Column("target", String, nullable=False),
    Column("state", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("request", Document, nullable=False),
    Column("admitted_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("baseline", Float),
    Column("policy_id", String),
    Column("applied_at", Instant),
    Column("expires_at", Instant),
    Column("renewals", Integer, nullable=False),
    Column("observation", Document, nullable=False),
    Column("verdict", String),
    Column("reason", String),
    Column("detail", Text, nullable=False),
    Column("explanation", Document, nullable=False),
    Column("terms", Document, nullable=False, server_default="{}"),
    Column("further_ids", Document, nullable=False, server_default="[]"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("undone", Integer, nullable=False, server_default="0"),
    Column("due_at", Instant),
    Column("probation_until", Instant),
    Column("plan_hash", String, nullable=False, server_default=""),
    Column("consent", Document),
    Column("feedback", Document),
    Index(None, "admitted_at", "execution_id"),
    Index(None, "incident_id"),
    Index(None, "state"),
)
"""The fields of ``model.Execution`` by name, and the explanation kept with it."""

transitions = Table(
    "transitions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("execution_id", ForeignKey("executions.execution_id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("from_state", String),
    Column("to_state", String, nullable=False),
    Column("reason", String),
    Column("detail", Text, nullable=False),
    Index(None, "execution_id", "number"),
)
"""Every move ever made; rows are added, never changed."""

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("event", Text, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)
"""The audit trail; texts as they were hashed, so that no engine's own form of a value comes between."""

outcomes = Table(
    "outcomes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("execution_id", ForeignKey("executions.execution_id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("pack", String, nullable=False),
    Column("remediation", String, nullable=False),
    Column("symptom", String, nullable=False),
    Column("target", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("success", Boolean),
    Index(None, "execution_id"),
)
"""What became of actions; ``success`` is empty where nobody could tell, and such a row trains nothing."""

notices = Table(
    "notices",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("starts_at", String, primary_key=True),
    Column("status", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("labels", Document, nullable=False),
    Column("group_key", String, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("first_received_at", Instant, nullable=False),
    Column("times", Integer, nullable=False),
    Index(None, "received_at"),
)
"""What webhooks announced: a row for each alert and status, however often it was sent."""

pauses = Table(
    "pauses",
    metadata,
    Column("scope", String, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("comment", Text, nullable=False),
    Column("until", Instant),
)
"""A person's words to stop acting, by what they are about; the empty scope is everything."""

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("renewed_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
"""Who leads; times are the database's own."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("channel", String, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("urgency", String, nullable=False),
    Column("delivered_at", Instant, nullable=False),
    Index(None, "content_hash", "delivered_at"),
)
"""What people were told, and when."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("letter_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("about", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("document", Document, nullable=False),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("due_at", Instant),
    Column("tried_at", Instant),
    Index(None, "state", "due_at"),
    Index(None, "written_at", "letter_id"),
)
"""Notifications and compensations that failed: pending ones are tried again when due, parked ones not."""

success_rates = Table(
    "success_rates",
    metadata,
    Column("pack", String, primary_key=True),
    Column("remediation", String, primary_key=True),
    Column("symptom", String, primary_key=True),
    Column("successes", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
)
