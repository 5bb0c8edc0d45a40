"""Stories of repetition: the same again and again, everywhere at once, and what does not help."""

import math
from itertools import pairwise

from history.scenario import Stage
from history.tell import story
from history.town import Fault
from mape_k.model import Reason

NODE = "node-07"
SHED = frozenset({"shed_load"})


@story("GitHub, September 2012")
async def same_again_too_soon(stage: Stage) -> None:
    """The remedy wears off after minutes, again and again; it is not repeated before its cool-down is over."""
    await _relapsing(stage, hours=0.5, returns_after=200, max_attempts=99, cooldown_seconds=900)
    starts = [effect.at for effect in stage.effects()]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    stage.demand(min(gaps, default=math.inf) >= 900, f"repeated after {min(gaps, default=0):.0f} s")
    stage.demand(len(starts) > 1, "it was never tried again")
    stage.demand_told(Reason.COOLDOWN)


@story("GitHub, September 2012")
async def same_again_and_again(stage: Stage) -> None:
    """Three times within half an hour on one service, and then it is a person's turn."""
    await _relapsing(stage, hours=0.7, max_attempts=3)
    _demand_at_most(stage, 3, per=1800)
    stage.demand_told(Reason.ATTEMPT_BUDGET)


@story("GitHub, September 2012")
async def coming_and_going(stage: Stage) -> None:
    """Attempts are left, but it opened so often lately that a person is asked first."""
    await _relapsing(stage, hours=0.7, max_attempts=99, flapping_after=3)
    _demand_at_most(stage, 3, per=3600)
    stage.demand_told(Reason.FLAPPING)


@story("Amazon EBS, April 2011")
async def one_service_never_left_in_peace(stage: Stage) -> None:
    """Whatever may be done to a service, only so much is done to one in a time."""
    await _relapsing(stage, hours=0.7, max_attempts=99, max_on_target=3)
    _demand_at_most(stage, 3, per=1800)
    stage.demand_told(Reason.TARGET_BUDGET)


async def _relapsing(
    stage: Stage,
    *,
    hours: float,
    returns_after: float = 400,
    max_attempts: int,
    cooldown_seconds: float = 300,
    flapping_after: int = 99,
    max_on_target: int = 99,
) -> None:
    """Let a load come back again and again after its remedy; every guard but the one in question is out of the way."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=60, returns_after=returns_after, cures=SHED))
    stage.change(
        "shed_load",
        max_attempts=max_attempts,
        cooldown_seconds=cooldown_seconds,
        probation_seconds=0.0,
        attempts_window_seconds=1800.0,
        limits={"flapping_after": flapping_after, "max_on_target": max_on_target, "budget_window_seconds": 1800.0},
    )
    await stage.daemon.start()
    await stage.until(hours * 3600)


def _demand_at_most(stage: Stage, count: int, *, per: float) -> None:
    starts = [effect.at for effect in stage.effects()]
    most = max((sum(begin <= at < begin + per for at in starts) for begin in starts), default=0)
    stage.demand(most <= count, f"done {most} times within {per:.0f} s")
    stage.demand(starts, "never done at all")


@story("Amazon EBS, April 2011")
async def everybody_at_once_by_one_remedy(stage: Stage) -> None:
    """One service after another fails; one remedy is used so often, wherever, and not more."""
    await _one_after_another(stage, limits={"max_of_remediation": 3})
    _demand_at_most(stage, 3, per=3600)
    stage.demand_told(Reason.REMEDIATION_BUDGET)


@story("Amazon EBS, April 2011")
async def everything_together(stage: Stage) -> None:
    """The same, with a limit on all that is done."""
    await _one_after_another(stage, MAPE_K_ACTION_BUDGET="3")
    _demand_at_most(stage, 3, per=3600)
    stage.demand_told(Reason.GLOBAL_BUDGET)


async def _one_after_another(stage: Stage, *, limits: dict[str, int] | None = None, **variables: str) -> None:
    town = stage.build(**variables)
    town.faults += [
        Fault(node=node, quantity="load", level=2, begins=100 + 300 * number, cures=SHED)
        for number, node in enumerate(town.nodes[:6])
    ]
    stage.change(limits=limits or {})
    await stage.daemon.start()
    await stage.until(2400)


@story("Amazon EBS, April 2011")
async def herd_of_repairs(stage: Stage) -> None:
    """Five services fail together; one is repaired, then a few, then the rest."""
    town = stage.build()
    ill = town.nodes[:5]
    town.faults += [Fault(node=node, begins=100) for node in ill]
    await stage.daemon.start()
    await stage.until(2400)
    stage.demand_first_one_alone()
    stage.demand_told(Reason.STAGED)
    stage.demand_healed()


@story("Knight Capital, August 2012")
async def one_bad_remedy_for_all(stage: Stage) -> None:
    """The remedy does not help the first of five; the others are spared it."""
    town = stage.build()
    town.faults += [Fault(node=node, begins=100, cures=frozenset()) for node in town.nodes[:5]]
    await stage.daemon.start()
    await stage.until(1800)
    tried = {effect.node for effect in stage.effects() if effect.kind == "restart"}
    stage.demand(len(tried) == 1, f"the remedy that did not help was used on {len(tried)} services")
    stage.demand_told(Reason.STAGED)


@story("Knight Capital, August 2012")
async def nothing_helps(stage: Stage) -> None:
    """What did not help is not tried again in the same incident, and undone; then a person is asked."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100, cures=frozenset()))
    stage.change("restart", cooldown_seconds=0.0)
    stage.change("reroute", cooldown_seconds=0.0)
    await stage.daemon.start()
    await stage.until(2400)
    kinds = [effect.kind for effect in stage.effects()]
    stage.demand(sorted(kinds) == ["reroute", "restart"], f"tried {', '.join(kinds) or 'nothing'}")
    stage.demand(len(stage.effects(what="undo")) == 1, "what did not help was not undone")
    stage.demand_told(Reason.EXHAUSTED)


@story("Knight Capital, August 2012")
async def roll_back_refused(stage: Stage) -> None:
    """What did not help cannot be undone: the service is left alone, whatever else happens to it."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=60, cures=frozenset()))
    town.faults.append(Fault(node=NODE, begins=1200))
    town.trouble_with("undo", 0, math.inf, how="refused")
    await stage.daemon.start()
    await stage.until(2400)
    stage.demand_nothing_done(since=1000)
    stage.demand_told(Reason.ROLL_BACK_FAILED)
    stage.demand_told(Reason.TARGET_FROZEN, since=1200)


@story("Knight Capital, August 2012")
async def everything_makes_it_worse(stage: Stage) -> None:
    """Whatever is done does not help; after five such outcomes nothing more is begun until a person looks."""
    town = stage.build()
    town.faults += [
        Fault(node=node, quantity="load", level=2, begins=60 + 360 * number, ends=500 + 360 * number, cures=frozenset())
        for number, node in enumerate(town.nodes[:9])
    ]
    stage.change("shed_load", prior_weight=1000.0, limits={"bad_from": 5})
    await stage.daemon.start()
    await stage.until(2400)
    done = len(stage.effects())
    stage.demand(done == 5, f"{done} actions were begun, none of which helped")
    stage.demand_told(Reason.BAD_OUTCOMES)
