"""Stories of sight: errors taken for illness, observers gone wrong, peers and disks that fail."""

import math

from history.scenario import Stage
from history.tell import story
from history.town import Fault
from mape_k.model import CycleResult, Reason

NODE, OTHER = "node-07", "node-11"
SHED = frozenset({"shed_load"})


@story("Google Cloud, June 2019")
async def charter_out_of_reach(stage: Stage) -> None:
    """The way to the Charter leads over what is ill: all stays as it is until it can be reached again."""
    town = stage.build()
    town.faults.append(Fault(node=OTHER, quantity="load", level=2, begins=30, cures=SHED))
    town.faults.append(Fault(node=OTHER, quantity="demand", level=120, begins=30))
    town.faults.append(Fault(node=NODE, begins=400))
    town.trouble_with("charter", 380, 750)
    await stage.daemon.start()
    await stage.until(750)
    stage.demand_nothing_done(since=380)
    stage.demand_told(Reason.BLIND, since=450)
    stage.demand_healed(OTHER)
    await stage.until(1500)
    stage.demand_healed()


@story("Google Cloud, June 2019")
async def charter_that_takes_nothing(stage: Stage) -> None:
    """The Charter can be read, and takes no policy: each try is a new plan, and soon after the end one gets through."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100))
    town.trouble_with("apply", 0, 600)
    await stage.daemon.start()
    await stage.until(600)
    asked = stage.daemon.charter.asked["apply"]
    stage.demand(asked <= 20, f"asked {asked} times within ten minutes")
    stage.demand_told(Reason.UNREACHABLE)
    await stage.until(1500)
    stage.demand_healed()


@story("Facebook, September 2010")
async def error_taken_for_violation(stage: Stage) -> None:
    """An alert fires whose numbers come as NaN, as errors, as old ones, and at last as healthy ones."""
    town = stage.build()
    town.false_alert("NodeFailing", NODE)
    for begin, how in ((30, "nan"), (300, "error"), (600, "stale")):
        town.trouble_with("prometheus", begin, begin + 270, how=how)
    await stage.daemon.start()
    await stage.until(1500)
    stage.demand_nothing_done()
    for begin, reason in ((60, Reason.STALE_EVIDENCE), (330, Reason.BLIND), (700, Reason.STALE_EVIDENCE)):
        stage.demand_told(reason, since=begin, until=begin + 200)
    stage.demand_told(Reason.NOT_CORROBORATED, since=1200)


@story("Facebook, September 2010")
async def error_taken_for_failure(stage: Stage) -> None:
    """The numbers fail while an action is judged: what helped is not undone for that."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=60, cures=SHED))
    town.trouble_with("prometheus", 160, 700, how="nan")
    await stage.daemon.start()
    await stage.until(1100)
    stage.demand(not stage.effects(what="undo"), "what helped was undone")
    stage.demand(stage.judged_at(NODE) < math.inf, "it was never seen to have helped")
    stage.demand_healed()


@story("Facebook, October 2021")
async def most_are_ill_at_once(stage: Stage) -> None:
    """Four of five services look ill in one moment: the observer is suspected, and nothing is begun."""
    town = stage.build()
    town.faults += [Fault(node=node, begins=100, ends=900) for node in town.nodes[:16]]
    town.faults.append(Fault(node="node-18", begins=1400))
    await stage.daemon.start()
    await stage.until(1000)
    stage.demand_nothing_done()
    stage.demand_told(Reason.STORM)
    await stage.until(2100)
    stage.demand_healed()


@story("Facebook, October 2021")
async def safety_check_that_crashes(stage: Stage) -> None:
    """A guard raises an error in place of an answer; that is no permission."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=60, cures=SHED))
    stage.change("shed_load", cooldown_seconds=math.nan)
    await stage.daemon.start()
    await stage.until(600)
    stage.demand_nothing_done()
    failed = [report for report in stage.daemon.reports if report.result is CycleResult.FAILED]
    stage.demand(failed, "nobody was told that the check failed")


@story("Facebook, October 2021")
async def disk_that_fails(stage: Stage) -> None:
    """Knowledge can be neither written nor asked; nothing is begun, and everybody can see that."""
    await _without_disk(stage, "cycle", "action")
    told = [report for report in stage.daemon.reports if not report.is_store_up]
    stage.demand(told, "nobody was told that nothing could be written")


@story("Facebook, October 2021")
async def disk_that_fails_for_the_intent(stage: Stage) -> None:
    """All was decided, and the intent cannot be written down: then it is not done."""
    await _without_disk(stage, "action")


async def _without_disk(stage: Stage, *writes: str) -> None:
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100))
    await stage.daemon.start()
    await stage.until(95)
    stage.daemon.disk_fails_for = frozenset(writes)
    await stage.until(700)
    stage.demand_nothing_done()
    stage.daemon.disk_fails_for = frozenset()
    await stage.until(1500)
    stage.demand_healed()


@story("GitHub, October 2018")
async def partition_of_seconds(stage: Stage) -> None:
    """A network is gone for most of a minute, again and again; only what stays in sight is acted upon."""
    town = stage.build()
    town.faults += [Fault(node=NODE, level=45, begins=100 + 600 * n, ends=145 + 600 * n) for n in range(3)]
    town.faults.append(Fault(node=OTHER, begins=2000))
    stage.change(limits={"damping_hits": 3, "damping_looks": 4})
    await stage.daemon.start()
    await stage.until(2000)
    stage.demand_nothing_done()
    stage.demand_told(Reason.DAMPED)
    await stage.until(2700)
    stage.demand_healed()


@story("Slack, January 2021")
async def idle_because_cut_off(stage: Stage) -> None:
    """Services look idle since nobody reaches them; their front door counts as many requests as ever."""
    town = stage.build()
    for node in town.nodes[:3]:
        town.false_alert("NodeIdle", node)
    await stage.daemon.start()
    await stage.until(900)
    stage.demand_nothing_done()
    stage.demand_told(Reason.NOT_CORROBORATED)


@story("Slack, January 2021")
async def sight_comes_back(stage: Stage) -> None:
    """Nothing was seen for minutes; the first looks after that are not trusted yet."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100))
    town.trouble_with("prometheus", 90, 390)
    await stage.daemon.start()
    await stage.until(415)
    stage.demand_nothing_done()
    stage.demand_told(Reason.BLIND)
    stage.demand_told(Reason.SETTLING)
    await stage.until(1200)
    stage.demand_healed()


@story("Slack, January 2021")
async def alerts_out_of_sight(stage: Stage) -> None:
    """Alertmanager is gone: what it would say, silences included, is not known."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=60, cures=SHED))
    town.trouble_with("alertmanager", 30, 600)
    await stage.daemon.start()
    await stage.until(600)
    stage.demand_nothing_done()
    stage.demand_told(Reason.BLIND)
    await stage.until(1200)
    stage.demand_healed()
