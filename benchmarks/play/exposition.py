"""What Prometheus reads, in its text format."""

from collections.abc import Iterator, Mapping

from prometheus_client.utils import floatToGoString

from mape_k.packfiles import Metric
from play.world import World

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_TYPES = {"info": "gauge"}
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n"})


def exposition(world: World, *, job: str | None = None) -> str:
    """Return every series; with ``job`` those of that scrape job, and those whose metric names none."""
    return "".join(f"{line}\n" for line in _lines(world, job))


def _lines(world: World, job: str | None) -> Iterator[str]:
    for metric, every in world.shown():
        if job is not None and metric.job not in {None, job}:
            continue
        yield from _head(metric)
        for labels, samples in every:
            written = [f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels.items()]
            for suffix, bound, number in samples:
                every_label = ",".join([*written, f'le="{bound}"'] if bound else written)
                yield f"{metric.name}{suffix}{{{every_label}}} {floatToGoString(number)}"


def _head(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help.translate(_HELP_ESCAPED)}"
    yield f"# TYPE {metric.name} {_TYPES.get(metric.type, metric.type)}"


def values(text: str) -> Mapping[str, float]:
    """Return the number of every series of a text in that format, by name with labels as written."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(number) for name, number in lines}
