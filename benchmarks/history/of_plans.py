"""Stories of plans: too late, about nothing, about too much, in spite of what people said."""

from alembic import command
from alembic.config import Config

from history.scenario import Stage
from history.tell import story
from history.town import REGIONS, Fault
from mape_k.knowledge.ledger import write_meta
from mape_k.knowledge.migrate import FOLDER
from mape_k.knowledge.sqlite import SqliteFile
from mape_k.model import Consent, Reason, State

NODE, OTHER = "node-07", "node-11"
SHED, DRAIN, WIPE = frozenset({"shed_load"}), frozenset({"drain_region"}), frozenset({"wipe_disk"})


@story("AWS DynamoDB, October 2025")
async def stale_plan_before_it_is_noted(stage: Stage) -> None:
    """A plan is held up before it could be written down; when its turn comes it is too old, and a new one is made."""
    await _held_up(stage, [90.0])


@story("AWS DynamoDB, October 2025")
async def stale_plan_before_it_is_sent(stage: Stage) -> None:
    """The same a step later: it is written down, and held up before it is sent."""
    await _held_up(stage, [0.0, 90.0])


async def _held_up(stage: Stage, seconds: list[float]) -> None:
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100))
    stage.daemon.writes_held_up = seconds
    await stage.daemon.start()
    await stage.until(1200)
    late = [effect for effect in stage.effects() if effect.is_late]
    stage.demand(not late, f"{len(late)} policies were put in force after the end of their plan")
    stage.demand_told(Reason.EXPIRED)
    stage.demand_healed()


@story("AWS DynamoDB, October 2025")
async def newer_daemon_in_charge(stage: Stage) -> None:
    """While this daemon was away another one took over; the Charter follows that one, and this one stops."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100))
    await stage.daemon.start()
    town.epoch = 99
    await stage.until(1800)
    stage.demand_nothing_done()
    stage.demand(stage.daemon.charter.asked["stale"] <= 1, "it went on sending after it was told that another leads")
    stage.demand_told(Reason.FENCED)


@story("AWS DynamoDB, October 2025")
async def clean_up_of_what_is_in_force(stage: Stage) -> None:
    """The same policy is put in force again before its first life ends; the end of that takes nothing away."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=60, returns_after=400, cures=SHED))
    await stage.daemon.start()
    await stage.until(1500)
    stage.demand(len(stage.effects()) >= 2, "the policy was not put in force again")
    stage.demand(not stage.effects(what="undo"), "the policy that held was taken away")
    stage.demand_told(Reason.SUPERSEDED)


@story("Google, Diskerase")
async def nothing_named(stage: Stage) -> None:
    """Alerts name no service, or all of them."""
    wild = ("*", ".*", "all")
    town = stage.build(more=wild)
    town.faults += [Fault(node=node, begins=100) for node in wild]
    town.alert_without_node = True
    await stage.daemon.start()
    await stage.until(900)
    stage.demand_nothing_done()
    stage.demand_told(Reason.EMPTY_TARGET)
    stage.demand_told(Reason.TARGET_UNKNOWN)


@story("Google Cloud, June 2019")
async def several_locations_at_once(stage: Stage) -> None:
    """Two regions fail together; they are never drained together, and once one is mended the other is."""
    town = stage.build(nodes=40)
    first, second = REGIONS
    town.faults.append(Fault(node=first, quantity="region", begins=100, cures=DRAIN))
    town.faults.append(Fault(node=second, quantity="region", begins=100, ends=900, cures=DRAIN))
    await stage.daemon.start()
    await stage.until(900)
    together = stage.effects(until=min(stage.judged_at(first), stage.judged_at(second)))
    stage.demand(len(together) <= 1, "two regions were drained together")
    stage.demand_told(Reason.STAGED, Reason.BLAST_RADIUS)
    await stage.until(1800)
    stage.demand_healed(*REGIONS)


@story("Google Cloud, June 2019")
async def too_much_at_once(stage: Stage) -> None:
    """A region and a service fail together; acting on both would touch more than allowed, so nothing is begun."""
    town = stage.build()
    town.faults.append(Fault(node=REGIONS[0], quantity="region", begins=100, cures=DRAIN))
    town.faults.append(Fault(node=NODE, begins=100, ends=900, cures=frozenset()))
    await stage.daemon.start()
    await stage.until(900)
    stage.demand_nothing_done()
    stage.demand_told(Reason.BLAST_RADIUS)
    await stage.until(1800)
    stage.demand_healed(REGIONS[0])


@story("Google Cloud, June 2019")
async def half_of_everything(stage: Stage) -> None:
    """In a small town the same remedy would touch more than half of all there is."""
    town = stage.build(nodes=8)
    town.faults.append(Fault(node=REGIONS[0], quantity="region", begins=100, cures=DRAIN))
    await stage.daemon.start()
    await stage.until(900)
    stage.demand_nothing_done()
    stage.demand_told(Reason.BLAST_RADIUS)


@story("Reddit, August 2016")
async def pause_in_a_migration(stage: Stage) -> None:
    """A person paused an older version; the tables are migrated, the daemon restarts twice, the pause stays."""
    town = stage.build()
    _older_tables_with_a_pause(stage)
    town.faults.append(Fault(node=NODE, begins=100))
    for restart in (500, 900, 1300):
        await stage.daemon.start()
        await stage.until(restart)
        stage.demand_told(Reason.PAUSED, since=restart - 300)
        await stage.daemon.stop()
    await stage.daemon.start()
    stage.demand_nothing_done()
    await stage.daemon.knowledge.orders.resume("", by="dolores")
    await stage.until(1900)
    stage.demand_healed()


def _older_tables_with_a_pause(stage: Stage) -> None:
    """Make the tables of the revision before pauses had a scope."""
    database = SqliteFile(stage.folder / "knowledge.db")
    with database.writer.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        since = stage.clock.now().isoformat()
        write_meta(connection, "pause", {"since": since, "by": "dolores", "comment": "the migration"})
    database.close()


@story("Reddit, August 2016")
async def most_of_the_inventory_gone(stage: Stage) -> None:
    """A register that is half migrated shows a third of the services; what it says of those is not acted upon."""
    town = stage.build()
    await stage.daemon.start()
    await stage.until(290)
    town.unseen = frozenset(town.nodes[7:])
    town.faults.append(Fault(node="node-03", begins=300))
    await stage.until(800)
    stage.demand_nothing_done()
    stage.demand_told(Reason.INVENTORY_DROP)
    town.unseen = frozenset()
    await stage.until(1500)
    stage.demand_healed()


@story("GitHub, October 2018")
async def what_cannot_be_undone(stage: Stage) -> None:
    """The only remedy deletes; a person is asked, once, and it is done once they agreed."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, quantity="disk", level=0.99, begins=100, cures=WIPE))
    await stage.daemon.start()
    await stage.until(600)
    stage.demand_nothing_done()
    stage.demand_told(Reason.IRREVERSIBLE)
    asked = {e.execution_id: e for _, e in stage.daemon.moves if e.state is State.AWAITING_APPROVAL}
    stage.demand(len(asked) == 1, f"a person was asked {len(asked)} times")
    for execution in asked.values():
        consent = Consent(is_given=True, by="dolores", at=stage.clock.now(), plan_hash=execution.plan_hash)
        await stage.daemon.knowledge.orders.consent(execution.execution_id, consent)
    await stage.until(1200)
    stage.demand(len(stage.effects()) == 1, f"done {len(stage.effects())} times once a person had agreed")
    stage.demand_healed()


@story("two remedies at odds")
async def two_things_on_one_service(stage: Stage) -> None:
    """Two things are wrong with one service; the second is not touched before the first is judged."""
    town = stage.build()
    town.faults.append(Fault(node=NODE, begins=100))
    town.faults.append(Fault(node=NODE, quantity="load", level=2, begins=90, cures=SHED))
    await stage.daemon.start()
    await stage.until(1800)
    stage.demand_first_one_alone()
    stage.demand_told(Reason.IN_FLIGHT)


@story("a change freeze")
async def change_freeze(stage: Stage) -> None:
    """Changes are frozen for a while; then they are not."""
    town = stage.build(MAPE_K_FREEZE_WINDOWS="2026-03-02T00:00Z/2026-03-02T00:20Z")
    town.faults.append(Fault(node=NODE, begins=100))
    await stage.daemon.start()
    await stage.until(1195)
    stage.demand_nothing_done()
    stage.demand_told(Reason.CHANGE_FREEZE)
    await stage.until(1800)
    stage.demand_healed()


@story("maintenance")
async def under_maintenance(stage: Stage) -> None:
    """One service is silenced, the alert of another is inhibited; neither is touched while that lasts."""
    town = stage.build()
    town.faults += [Fault(node=NODE, begins=100), Fault(node=OTHER, begins=100)]
    town.mute(NODE, 0, 1500)
    town.mute(OTHER, 0, 1500, is_inhibition=True)
    await stage.daemon.start()
    await stage.until(1500)
    stage.demand_nothing_done()
    stage.demand_told(Reason.SILENCED)
    stage.demand_told(Reason.INHIBITED)
    await stage.until(2700)
    stage.demand_healed()


@story("a first installation")
async def not_asked_to_act(stage: Stage) -> None:
    """Without a word of its mode the daemon decides and tells, and does nothing."""
    town = stage.build(MAPE_K_MODE="")
    town.faults.append(Fault(node=NODE, begins=100))
    await stage.daemon.start()
    await stage.until(900)
    stage.demand_nothing_done()
    stage.demand_told(Reason.SHADOW)
