"""Bring the tables to the form this version works with."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from mape_k.errors import StoreError
from mape_k.knowledge.schema import metadata

HEAD = "0004"
"""The newest revision, known here so that Alembic, which is heavy, is loaded only when there are tables to change.

A revision is named by its number. One that only adds to the tables (columns with defaults, tables, indices) also names
the oldest one whose program may go on working with them: ``0007+0005``. So replicas are upgraded one after the other.
"""

FOLDER = Path(__file__).with_name("migrations")


def migrate(connection: Connection) -> None:
    """Create or upgrade the tables inside the connection's transaction: all of it happens, or nothing.

    Tables of a newer version that only added to them are left as they are.

    Raises:
        StoreError: the tables were made by a newer version, and not for this one.
    """
    if not inspect(connection).has_table("alembic_version"):
        _create(connection)
    elif (stamped := _stamped(connection)) != HEAD and not _is_usable(stamped or ""):
        _upgrade(connection, stamped)


def _is_usable(stamped: str) -> bool:
    """Return whether a newer revision says that this version may work with its tables."""
    (number, _, oldest), (mine, _, _) = stamped.partition("+"), HEAD.partition("+")
    return number > mine >= oldest > ""


def _create(connection: Connection) -> None:
    """Make the tables as they are today, which is where all migrations together lead."""
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def require_head(connection: Connection) -> None:
    """Raise StoreError unless the tables have the form this version works with; for those who must not change them."""
    if (stamped := _stamped(connection)) != HEAD:
        raise StoreError(
            f"Knowledge has tables of revision {stamped}, this version reads {HEAD}: start its daemon once"
        )


def _stamped(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, stamped: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - see HEAD
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"Knowledge has tables of revision {stamped}, this version knows them up to {HEAD}: "
            "run the newer version again, or give this one a MAPE_K_KNOWLEDGE_URL of its own"
        ) from error
