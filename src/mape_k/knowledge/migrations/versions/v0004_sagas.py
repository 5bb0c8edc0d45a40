"""What an execution was admitted with and who agreed; pauses with a scope; leases, deliveries and dead letters.

Columns are only added, each with a default, so that a version which does not know them can go on writing.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Text(), nullable=nullable)


def _name(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=False)


def _number(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Integer(), nullable=False)


def upgrade() -> None:
    for column in _execution_columns():
        op.add_column("executions", column)
    _create_pauses()
    _create_leases()
    _create_deliveries()
    _create_dead_letters()


def _execution_columns() -> "list[sa.Column[object]]":
    return [
        sa.Column("terms", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("further_ids", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("undone", sa.Integer(), nullable=False, server_default="0"),
        _instant("due_at", nullable=True),
        _instant("probation_until", nullable=True),
        sa.Column("plan_hash", sa.String(), nullable=False, server_default=""),
        _text("consent", nullable=True),
        _text("feedback", nullable=True),
    ]


def _create_pauses() -> None:
    pauses = op.create_table(
        "pauses",
        _name("scope"),
        _instant("since"),
        _name("by"),
        _text("comment"),
        _instant("until", nullable=True),
        sa.PrimaryKeyConstraint("scope", name="pk_pauses"),
    )
    meta = sa.table("meta", sa.column("name"), sa.column("document"))
    kept = op.get_bind().execute(sa.select(meta.c.document).where(meta.c.name == "pause")).scalar()
    if kept is not None:
        pause = json.loads(kept)
        since = sa.DateTime(timezone=True).python_type.fromisoformat(pause["since"])
        op.bulk_insert(pauses, [{"scope": "", "since": since, "by": pause["by"], "comment": pause.get("comment", "")}])
        op.execute(meta.delete().where(meta.c.name == "pause"))


def _create_leases() -> None:
    op.create_table(
        "leases",
        _name("name"),
        _name("holder"),
        _number("epoch"),
        _instant("renewed_at"),
        _instant("expires_at"),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        _name("channel"),
        _name("content_hash"),
        _text("subject"),
        _name("urgency"),
        _instant("delivered_at"),
        sa.PrimaryKeyConstraint("number", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_content_hash_delivered_at", "deliveries", ["content_hash", "delivered_at"])


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        _name("letter_id"),
        _name("kind"),
        _name("about"),
        _name("channel"),
        _text("document"),
        _text("error"),
        _number("attempts"),
        _name("state"),
        _instant("written_at"),
        _instant("due_at", nullable=True),
        _instant("tried_at", nullable=True),
        sa.PrimaryKeyConstraint("letter_id", name="pk_dead_letters"),
    )
    op.create_index("ix_dead_letters_state_due_at", "dead_letters", ["state", "due_at"])
    op.create_index("ix_dead_letters_written_at_letter_id", "dead_letters", ["written_at", "letter_id"])


def downgrade() -> None:
    for table in ("dead_letters", "deliveries", "leases", "pauses"):
        op.drop_table(table)
    with op.batch_alter_table("executions") as executions:
        for column in _execution_columns():
            executions.drop_column(str(column.name))
