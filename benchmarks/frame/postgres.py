"""A PostgreSQL server of one's own, on loopback and on a real disk, for tests and benchmarks."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from mape_k.demo.stack import find_tool, free_port

REAL_DISK = Path("/var/tmp")  # noqa: S108 - /tmp may be kept in memory, and what a test of durability needs is a disk
START_SECONDS = 60.0
NOBODY = 65534
"""Who runs the server where root started the test: it refuses to run as root."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that can be ended, killed and started again."""

    folder: Path
    port: int
    password: str
    is_durable: bool = True
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def url(self) -> str:
        """The address of the database that is always there, without the password."""
        return self.url_of("postgres")

    def url_of(self, database: str, *, port: int | None = None) -> str:
        """Return the address of a database, through another port where a proxy listens there."""
        return f"postgresql://tester@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        log = (self.folder / "log").open("ab")
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        options |= {} if self.is_durable else {"fsync": "off", "full_page_writes": "off"}
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [find_tool("postgres"), "-D", str(self.folder / "data"), *given]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **_unprivileged())
        log.close()
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-800:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the server as a power cut would, with all that serve its connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=60)
            self.process = None

    def create(self) -> str:
        """Return the name of a new, empty database."""
        name = f"t{secrets.token_hex(6)}"
        with self.connected() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return name

    def connected(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """Return a connection of one's own."""
        return psycopg.connect(self.url_of(database), password=self.password, connect_timeout=5, autocommit=True)

    def _answers(self) -> bool:
        try:
            self.connected().close()
        except psycopg.OperationalError:
            return False
        return True


def _unprivileged() -> dict[str, int]:
    return {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}


@contextmanager
def postgres_server(*, is_durable: bool = True) -> Iterator[Server]:
    """Run an empty server, and remove it with the block; one that is not durable forgets only with the machine."""
    place = REAL_DISK if os.access(REAL_DISK, os.W_OK) else None
    with TemporaryDirectory(prefix="mape-k-postgres-", dir=place, ignore_cleanup_errors=True) as name:
        server = Server(folder=Path(name), port=free_port(), password=secrets.token_hex(8), is_durable=is_durable)
        _initialize(server)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _initialize(server: Server) -> None:
    (server.folder / "password").write_text(server.password)
    if os.geteuid() == 0:
        for path in (server.folder, server.folder / "password"):
            shutil.chown(path, NOBODY, NOBODY)
    command = [find_tool("initdb"), "-D", str(server.folder / "data"), "-U", "tester", "-A", "scram-sha-256"]
    command += ["--pwfile", str(server.folder / "password"), "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, cwd=server.folder, **_unprivileged())
