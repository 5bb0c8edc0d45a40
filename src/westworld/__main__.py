"""The service as a program: ``python -m westworld``."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from westworld import worldfile
from westworld.api import make_app
from westworld.clock import SystemClock
from westworld.problems import InvalidFile
from westworld.service import Charter, Options
from westworld.store import Store

_INSTALLED = Path(__file__).parent / "config"
_CHECKOUT = Path(__file__).parents[2] / "config" / "charter"
_BAD_USAGE = 2
_SLOWEST, _FASTEST = 0.001, 10_000.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service until it is told to end; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        asyncio.run(_serve(options))
    except InvalidFile as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_USAGE
    return 0


def shipped(name: str) -> Path:
    """Return a file that comes with the program, installed or in a checkout."""
    return (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT) / name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mape-k charter", description="The reference Charter service.")
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 8000), help="HOST:PORT; port 0: any free one")
    parser.add_argument("--state", type=Path, default=_default_state(), help="SQLite file, or the folder for it")
    parser.add_argument(
        "--world", type=_world, default=shipped("worlds/default.yaml"), help="a world file, or default or other"
    )
    parser.add_argument("--time-scale", type=_scale, default=1.0, help="divides the world's durations, for trials")
    parser.add_argument("--policy", type=Path, default=shipped("charter_policy.yaml"), help="the policy document")
    parser.add_argument("--journal", type=Path, help="also append every effect to this file, as JSON lines")
    parser.add_argument(
        "--minimal", action="store_true", help="only the three required endpoints; ignore keys and epochs"
    )
    parser.add_argument("--enable-faults", action="store_true", help="let faults be injected")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    world = worldfile.load(options.world)
    state = options.state / "charter.sqlite" if options.state.suffix == "" else options.state
    listening = _bind(*options.listen)
    store = Store(state, options.journal)
    charter = Charter(
        world,
        store=store,
        remembered=await store.remembered(),
        clock=SystemClock(),
        read_document=_reader(options.policy),
        options=Options(time_scale=options.time_scale, minimal=options.minimal),
    )
    app = make_app(charter, store, minimal=options.minimal, faults=options.enable_faults)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        async with asyncio.TaskGroup() as group:
            life = group.create_task(charter.run())
            await web.SockSite(runner, listening).start()
            sys.stdout.write(json.dumps({"listening": _url(listening)}) + "\n")
            sys.stdout.flush()
            await _told_to_end()
            life.cancel()
    finally:
        await runner.cleanup()
        await charter.close()


async def _told_to_end() -> None:
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    await told.wait()


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InvalidFile(
            [f"--listen {host}:{port}: {error.strerror}; give a free address, or port 0 for any"]
        ) from error


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reader(path: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidFile([f"{path}: cannot be read ({error}); give a readable --policy"]) from error

    return read


def _address(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; write HOST:PORT") from error
    if not host or port is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8000")
    return host, port


def _world(text: str) -> Path:
    return shipped(f"worlds/{text}.yaml") if text in ("default", "other") else Path(text)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not _SLOWEST <= scale <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {_SLOWEST} to {_FASTEST}")
    return scale


def _default_state() -> Path:
    if folder := os.environ.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mape-k"


if __name__ == "__main__":
    sys.exit(main())
