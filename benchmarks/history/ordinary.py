"""Ordinary days: something fails that the daemon knows how to mend, and nothing should keep it from doing so in time.

Each day is drawn from a seed: its kind, the services, the hours, how fast and how far.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random  # noqa: TID251 - seeded

from history.scenario import Stage
from history.town import Fault
from mape_k.model import CycleResult

IN_TIME = 90.0
"""Seconds within which the daemon must act once it may: three cycles."""

MENDED_IN = 600.0
"""Seconds within which what is done first must be seen to have helped."""

SHED, REROUTE = frozenset({"shed_load"}), frozenset({"reroute"})
LIMIT, HELD_FOR = 0.9, 60.0
"""Of the load, and how long it must be beyond it; see the pack."""


@dataclass(slots=True)
class Day:
    """What is drawn for one day.

    Args:
        chance: draws.
        stage: where it is played.
        excused_until: until then nobody expects anything to be done, in seconds, by service.
        actions: how many are needed on each service, renewals apart.
        patience: seconds within which a service must be well again, after the first action.
        lasts, ends: a day lasts until all is well, at least and at most so long.
        again_at: when the same happens to the same service again.
    """

    chance: Random
    stage: Stage
    excused_until: dict[str, float] = field(default_factory=dict)
    actions: int = 1
    patience: float = MENDED_IN
    lasts: float = 0.0
    ends: float = 1500.0
    again_at: float | None = None
    meanwhile: Callable[[], Awaitable[None]] | None = None

    def some_nodes(self, count: int) -> list[str]:
        """Draw services."""
        return self.chance.sample(self.stage.town.nodes, count)

    def some_time(self, earliest: float = 60.0, latest: float = 180.0) -> float:
        """Draw a time."""
        return self.chance.uniform(earliest, latest)

    def fails(self, node: str, **fields: object) -> Fault:
        """Let errors rise on a service; by default a restart helps."""
        facts: dict = {"begins": self.some_time(), "level": self.chance.uniform(20, 60), "quantity": "errors"}
        return self._add(node, facts | fields)

    def is_overloaded(self, node: str, **fields: object) -> Fault:
        """Let the load of a service rise, and with it what is asked of it."""
        facts: dict = {"begins": self.some_time(), "level": self.chance.uniform(1.5, 3), "quantity": "load"}
        fault = self._add(node, facts | {"cures": SHED} | fields)
        self._add(node, {"quantity": "demand", "level": 120.0, "begins": fault.begins, "ends": fault.ends})
        over_at = fault.begins + fault.rises * (LIMIT - 0.35) / (fault.level - 0.35)
        self.excused_until[node] = over_at + HELD_FOR + 30
        return fault

    def _add(self, node: str, facts: dict) -> Fault:
        fault = Fault(node=node, **facts)
        self.stage.town.faults.append(fault)
        return fault

    @property
    def expected(self) -> list[tuple[str, float]]:
        """The services on which something is to be done, each with since when."""
        times = (0.0,) if self.again_at is None else (0.0, self.again_at)
        return [(node, since) for node in self.ill for since in times] if self.actions else []

    @property
    def ill(self) -> list[str]:
        """The services on which something is not as usual."""
        return list(dict.fromkeys(f.node for f in self.stage.town.faults if f.quantity in ("errors", "load")))


def one_fault(day: Day) -> None:
    """One service fails."""
    day.fails(*day.some_nodes(1))


def one_overload(day: Day) -> None:
    """One service is overloaded."""
    day.is_overloaded(*day.some_nodes(1))


def two_faults(day: Day) -> None:
    """Two services, two different faults."""
    one, other = day.some_nodes(2)
    day.fails(one)
    day.is_overloaded(other)


def two_alike(day: Day) -> None:
    """The same on two services; the second follows once the first is seen to be well."""
    first, second = day.some_nodes(2)
    begins = day.some_time()
    day.fails(first, begins=begins)
    day.fails(second, begins=begins + day.chance.uniform(60, 240))
    day.excused_until[second] = begins + 500.0


def slow_recovery(day: Day) -> None:
    """The remedy takes its time."""
    day.fails(*day.some_nodes(1), eases=day.chance.uniform(60, 150))


def wrong_first(day: Day) -> None:
    """The first remedy does not help; it is given up for the second."""
    day.fails(*day.some_nodes(1), cures=REROUTE)
    day.actions, day.patience = 2, 1200.0


def renewal(day: Day) -> None:
    """The cause outlasts its policy, which is renewed as long as that is so."""
    (node,) = day.some_nodes(1)
    day.is_overloaded(node, ends=1500.0)
    day.lasts = day.ends = 1700.0


def late_alert(day: Day) -> None:
    """The alert comes late."""
    day.stage.town.alert_lag = day.chance.uniform(30, 180)
    day.fails(*day.some_nodes(1))


def short_gap(day: Day) -> None:
    """Prometheus misses a cycle or two, somewhere on the way."""
    fault = day.fails(*day.some_nodes(1))
    begins = fault.begins + day.chance.uniform(-60, 300)
    ends = begins + day.chance.uniform(31, 60)
    day.stage.town.trouble_with("prometheus", begins, ends)
    day.excused_until[fault.node] = ends + 60.0
    day.patience += 120


def lost_answer(day: Day) -> None:
    """The policy is put in force, and the answer gets lost."""
    fault = day.fails(*day.some_nodes(1))
    day.stage.town.trouble_with("apply", 0, fault.begins + day.chance.uniform(100, 140), how="lost")


def busy_charter(day: Day) -> None:
    """The Charter asks to be left alone for a moment."""
    fault = day.fails(*day.some_nodes(1))
    ends = fault.begins + day.chance.uniform(60, 150)
    day.stage.town.trouble_with("apply", 0, ends, how="busy")
    day.excused_until[fault.node] = ends + 60.0


def restart(day: Day) -> None:
    """The daemon is restarted in the midst of it."""
    fault = day.fails(*day.some_nodes(1))
    moment = fault.begins + day.chance.uniform(0, 300)

    async def again() -> None:
        await day.stage.until(moment)
        await day.stage.daemon.stop()
        await day.stage.until(moment + 10)
        await day.stage.daemon.start()

    day.meanwhile = again
    day.excused_until[fault.node] = moment + 45


def maintenance_ends(day: Day) -> None:
    """A silence ends, and the service is still failing."""
    fault = day.fails(*day.some_nodes(1))
    ends = fault.begins + day.chance.uniform(120, 600)
    day.stage.town.mute(fault.node, 0, ends)
    day.excused_until[fault.node] = ends + 30.0


def gradual_load(day: Day) -> None:
    """The load creeps up."""
    day.is_overloaded(*day.some_nodes(1), rises=day.chance.uniform(300, 900))
    day.ends = 2100.0


def a_moment(day: Day) -> None:
    """A service stumbles and is itself again before any alert: nothing is to be done."""
    fault = day.fails(*day.some_nodes(1), level=30.0)
    fault.ends = fault.begins + day.chance.uniform(5, 20)
    day.actions, day.lasts = 0, 600.0


def again_later(day: Day) -> None:
    """The same service fails a second time, well after it was mended."""
    (node,) = day.some_nodes(1)
    first = day.fails(node, ends=900.0)
    day.fails(node, begins=first.begins + 1200.0, cures=frozenset({"restart"}))
    day.again_at, day.actions, day.ends = first.begins + 1200.0, 2, 2700.0


KINDS: tuple[Callable[[Day], None], ...] = (
    one_fault,
    one_overload,
    two_faults,
    two_alike,
    slow_recovery,
    wrong_first,
    renewal,
    late_alert,
    short_gap,
    lost_answer,
    busy_charter,
    restart,
    maintenance_ends,
    gradual_load,
    a_moment,
    again_later,
)


def name_of(seed: int) -> str:
    """Return the name of the day of a seed."""
    kind = KINDS[seed % len(KINDS)].__name__.replace("_", "-")
    return f"{kind}-{seed}"


async def ordinary_day(stage: Stage, seed: int) -> None:
    """Play the day of a seed."""
    stage.build(nodes=12)
    day = Day(chance=Random(seed), stage=stage)
    KINDS[seed % len(KINDS)](day)
    await stage.daemon.start()
    if day.meanwhile is not None:
        await day.meanwhile()
    await _until_well(day)
    for node, since in day.expected:
        _look_at(day, node, since)
    _look_for_what_was_needless(day)


async def _until_well(day: Day) -> None:
    stage = day.stage
    await stage.until(day.lasts)
    while stage.town.now < day.ends:
        is_over = all(stage.judged_at(node, since=since) < math.inf for node, since in day.expected)
        await stage.until(stage.town.now + 90)
        if is_over:
            break


def _look_at(day: Day, node: str, since: float) -> None:
    """Note it unless a service was treated in time, and is well."""
    stage = day.stage
    shown_at = min((at for at in stage.town.shown_at.get(node, ()) if at >= since), default=0.0)
    may_act_at = max(shown_at, day.excused_until.get(node, 0.0))
    acted_at = min((effect.at for effect in stage.effects(node=node, since=since)), default=math.inf)
    well_at = stage.judged_at(node, since=since)
    if acted_at > may_act_at + IN_TIME:
        told = sorted(stage.daemon.told(may_act_at, min(acted_at, stage.town.now) + 1))
        stage.held.append(f"{node}: could be treated at {may_act_at:.0f}, was at {acted_at:.0f}: {', '.join(told)}")
    elif well_at > acted_at + day.patience:
        stage.held.append(f"{node}: treated at {acted_at:.0f}, seen to be well at {well_at:.0f}")
    elif stage.town.is_ill(node):
        stage.held.append(f"{node}: ill at the end")


def _look_for_what_was_needless(day: Day) -> None:
    stage, ill = day.stage, day.ill
    failed = {report.failure for report in stage.daemon.reports if report.result is CycleResult.FAILED}
    stage.demand(not failed, f"cycles failed: {'; '.join(sorted(failed))}")
    elsewhere = {effect.node for effect in stage.effects()} - set(ill)
    stage.demand(not elsewhere, f"done to services that were well: {', '.join(sorted(elsewhere))}")
    for node in ill:
        done = {effect.key.partition(":")[0] for effect in stage.effects(node=node)}
        stage.demand(len(done) <= day.actions, f"{node}: {len(done)} actions where {day.actions} would do")
