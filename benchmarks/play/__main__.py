"""Play a pack: ``python -m play PACK``, with the folder of the benchmarks on the path."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from integration.clock import SystemClock
from mape_k.errors import ConfigError
from mape_k.ports import Clock
from play.controls import Controls
from play.documents import schema_text
from play.reading import Part, read_part
from play.service import make_app
from play.tracks import Moment
from play.world import World

PACKS = Path(__file__).parents[2] / "config" / "packs"
BAD_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Play until told to end; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.schema:
        sys.stdout.write(schema_text())
        return 0
    try:
        part = read_part(_folder(options.pack))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_USAGE
    asyncio.run(_serve(part, options))
    return 0


def _folder(pack: str) -> Path:
    return PACKS / pack if "/" not in pack and (PACKS / pack).is_dir() else Path(pack)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="play", description=__doc__)
    parser.add_argument("pack", nargs="?", default=".", help="a pack's name, or its folder")
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 9411), help="HOST:PORT; port 0: any free one")
    parser.add_argument("--time-scale", type=_scale, default=1.0, help="divides ages and uptimes, for trials")
    parser.add_argument("--fault", action="append", default=[], help="begins at once; may be given several times")
    parser.add_argument("--jitter", type=_share, default=0.0, help="share by which rates and measures sway, under 1")
    parser.add_argument("--seed", type=int, default=0, help="of the jitter")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of scenarios.yaml and end")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text}: expected HOST:PORT")
    return host, int(port)


def _scale(text: str) -> float:
    return _number(text, above=0.0, below=10_000.0)


def _share(text: str) -> float:
    return _number(text, above=-1e-9, below=1.0)


def _number(text: str, *, above: float, below: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = below
    if not above < number < below:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from {max(above, 0):g} to under {below:g}")
    return number


def time_of(clock: Clock, time_scale: float) -> Callable[[], Moment]:
    """Return what tells the player the time; it begins now."""
    begun = clock.monotonic()
    return lambda: Moment(elapsed=clock.monotonic() - begun, wall=clock.now().timestamp(), time_scale=time_scale)


async def _serve(part: Part, options: argparse.Namespace) -> None:
    clock = SystemClock()
    world = World(part, time_of(clock, options.time_scale), jitter=options.jitter, seed=options.seed)
    for fault in options.fault:
        world.begin(fault)
    runner = web.AppRunner(make_app(world, Controls(world, clock.now)), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, *options.listen)
        await site.start()
        ended = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, ended.set)
        host, port = runner.addresses[0][:2]
        print(json.dumps({"listening": f"http://{host}:{port}"}), flush=True)
        await ended.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
