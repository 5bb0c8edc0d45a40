"""What running servers must have of a pack, held against what they say that they have."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mape_k.packfiles import PackFolder

NAMED = 5
"""Names that one line lists; of the others it says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the servers say.

    Args:
        targets: by scrape job: how many targets are up, and how many there are.
        rules: by name: what went wrong with the rule the last time; empty: nothing.
        metrics: by scrape job: the names of all its series.
        receivers: that Alertmanager has.
    """

    targets: Mapping[str, tuple[int, int]]
    rules: Mapping[str, str]
    metrics: Mapping[str, frozenset[str]]
    receivers: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing that was looked at."""

    what: str
    is_good: bool
    detail: str


def jobs_of(pack: PackFolder) -> tuple[str, ...]:
    """Return the scrape jobs that a pack brings."""
    return tuple(job.name for job in pack.scrape_jobs)


def looks(pack: PackFolder, seen: Seen) -> Iterator[Look]:
    """Yield what is there of a pack, and what is not."""
    name = pack.path.name
    for job in jobs_of(pack):
        up, all_of_it = seen.targets.get(job, (0, 0))
        detail = f"{up} of {all_of_it} up" if all_of_it else "Prometheus has no target of it"
        yield Look(what=f"{name}: targets of {job}", is_good=0 < up == all_of_it, detail=detail)
    yield _rules(name, pack, seen)
    yield from _metrics(name, pack, seen)
    if pack.fragment is not None:
        wanted = [receiver.name for receiver in pack.fragment.receivers]
        yield _all_there(f"{name}: receivers", wanted, seen.receivers)


def _rules(name: str, pack: PackFolder, seen: Seen) -> Look:
    wanted = list(dict.fromkeys(rule.name for rule in pack.rules))
    broken = [f"{rule}: {seen.rules[rule]}" for rule in wanted if seen.rules.get(rule)]
    if broken:
        return Look(what=f"{name}: rules", is_good=False, detail=_listed(broken))
    return _all_there(f"{name}: rules", wanted, seen.rules.keys())


def _metrics(name: str, pack: PackFolder, seen: Seen) -> Iterator[Look]:
    jobs = jobs_of(pack)
    if pack.inventory is None or not jobs:
        return
    there = frozenset[str]().union(*(seen.metrics.get(job, frozenset()) for job in jobs))
    wanted = [metric.series[-1] for metric in pack.inventory]
    yield _all_there(f"{name}: metrics", wanted, there)


def _all_there(what: str, wanted: Sequence[str], there: Container[str]) -> Look:
    missing = [each for each in wanted if each not in there]
    detail = f"{len(wanted) - len(missing)} of {len(wanted)} there"
    return Look(what=what, is_good=not missing, detail=f"{detail}; not {_listed(missing)}" if missing else detail)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
