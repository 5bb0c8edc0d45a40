"""The first tables.

Written out rather than taken from ``mape_k.knowledge.schema``: a migration says what was, whatever the schema becomes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Text(), nullable=nullable)


def _name(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Integer(), nullable=False)


def upgrade() -> None:
    op.create_table("meta", _name("name"), _text("document"), sa.PrimaryKeyConstraint("name", name="pk_meta"))
    _create_cycles()
    _create_incidents()
    _create_executions()
    _create_transitions()
    _create_outcomes()


def _create_cycles() -> None:
    op.create_table(
        "cycles",
        _name("cycle_id"),
        _instant("as_of"),
        _name("woken_by"),
        _name("result", nullable=True),
        _text("failure"),
        _text("document"),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_cycles"),
    )
    op.create_index("ix_cycles_as_of_cycle_id", "cycles", ["as_of", "cycle_id"])
    op.create_index("ix_cycles_result", "cycles", ["result"])
    op.create_table(
        "snapshots",
        _name("cycle_id"),
        _instant("as_of"),
        _number("size_bytes"),
        sa.Column("recorded", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_snapshots"),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycles.cycle_id"], name="fk_snapshots_cycle_id", ondelete="CASCADE"),
    )
    op.create_index("ix_snapshots_as_of_cycle_id_size_bytes", "snapshots", ["as_of", "cycle_id", "size_bytes"])


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        _name("incident_id"),
        _name("state"),
        _name("pack"),
        _name("symptom"),
        _name("target"),
        _instant("opened_at"),
        _instant("last_seen_at"),
        _instant("closed_at", nullable=True),
        _text("document"),
        _text("decision"),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_opened_at_incident_id", "incidents", ["opened_at", "incident_id"])
    op.create_index("ix_incidents_state", "incidents", ["state"])


def _create_executions() -> None:
    op.create_table(
        "executions",
        _name("execution_id"),
        _name("incident_id"),
        _name("pack"),
        _name("symptom"),
        _name("remediation"),
        _name("target"),
        _name("state"),
        _number("epoch"),
        _text("request"),
        _instant("admitted_at"),
        _instant("updated_at"),
        sa.Column("baseline", sa.Float(), nullable=True),
        _name("policy_id", nullable=True),
        _instant("applied_at", nullable=True),
        _instant("expires_at", nullable=True),
        _number("renewals"),
        _text("observation"),
        _name("verdict", nullable=True),
        _name("reason", nullable=True),
        _text("detail"),
        _text("explanation"),
        sa.PrimaryKeyConstraint("execution_id", name="pk_executions"),
    )
    op.create_index("ix_executions_admitted_at_execution_id", "executions", ["admitted_at", "execution_id"])
    op.create_index("ix_executions_incident_id", "executions", ["incident_id"])
    op.create_index("ix_executions_state", "executions", ["state"])


def _create_transitions() -> None:
    op.create_table(
        "transitions",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        _name("execution_id"),
        _instant("at"),
        _number("epoch"),
        _name("from_state", nullable=True),
        _name("to_state"),
        _name("reason", nullable=True),
        _text("detail"),
        sa.PrimaryKeyConstraint("number", name="pk_transitions"),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.execution_id"], name="fk_transitions_execution_id"),
    )
    op.create_index("ix_transitions_execution_id_number", "transitions", ["execution_id", "number"])


def _create_outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        _name("execution_id"),
        _instant("at"),
        _name("pack"),
        _name("remediation"),
        _name("symptom"),
        _name("target"),
        _name("verdict"),
        sa.Column("success", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_outcomes"),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.execution_id"], name="fk_outcomes_execution_id"),
    )
    op.create_index("ix_outcomes_execution_id", "outcomes", ["execution_id"])
    op.create_table(
        "success_rates",
        _name("pack"),
        _name("remediation"),
        _name("symptom"),
        _number("successes"),
        _number("failures"),
        sa.PrimaryKeyConstraint("pack", "remediation", "symptom", name="pk_success_rates"),
    )


def downgrade() -> None:
    for table in ("success_rates", "outcomes", "transitions", "executions", "incidents", "snapshots", "cycles", "meta"):
        op.drop_table(table)
