"""Where the Knowledge of a crash run is kept, as the daemon is told of it and as those see it who look from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, NullPool, RowMapping, create_engine, make_url, text
from sqlalchemy.sql import Executable

from mape_k.knowledge.migrate import FOLDER

OLD = "0003"
"""The revision that a run begins with, so that it dies while migrating, too."""
LEASE = {"MAPE_K_LEASE_SECONDS": "3", "MAPE_K_LEASE_RENEW_SECONDS": "0.5"}


@dataclass(frozen=True, slots=True)
class Store:
    """One database: its ``url`` as the daemon takes it, without the password."""

    url: str
    password: str = ""

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that name it; the replica has its name for good, and so its own lease back at once."""
        if not self.password:
            return {"MAPE_K_KNOWLEDGE_URL": self.url}
        secret = {"MAPE_K_KNOWLEDGE_PASSWORD": self.password, "MAPE_K_REPLICA": "the-one"}
        return {"MAPE_K_KNOWLEDGE_URL": self.url, **secret, **LEASE}

    def rows(self, query: Executable) -> Sequence[RowMapping]:
        """Return what a query finds."""
        with self._engine().connect() as connection:
            return connection.execute(query).mappings().all()

    def count(self, query: str) -> int:
        """Return the one number that a query finds."""
        with self._engine().connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    def begin_old(self) -> None:
        """Make the tables as an earlier version had them."""
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        with self._engine().begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, OLD)

    def _engine(self) -> Engine:
        url = make_url(self.url)
        if self.password:
            url = url.set(drivername="postgresql+psycopg", password=self.password)
        options: dict[str, Any] = {} if self.password else {"connect_args": {"timeout": 30}}
        return create_engine(url, poolclass=NullPool, **options)


def in_a_file(folder: Path) -> Store:
    """Return the Knowledge in a file of a folder."""
    return Store(f"sqlite:///{folder / 'knowledge.db'}")
