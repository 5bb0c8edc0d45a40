import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from westworld.capacity import revocation_path, validation_ns, waiting_factor
from westworld.influence import influence
from westworld.noise import Noise
from westworld.quantities import Change, as_part, changed, matches
from westworld.station import Station
from westworld_watch import BEGIN, Simulation, shipped_world


def constant(seconds):
    return lambda: seconds


def test_a_station_gives_exact_times_however_coarse_the_step():
    station = Station(0.0)
    for arrived in (0.0, 0.1, 0.2):
        station.arrive(arrived, arrived)
    served = station.advance(100.0, servers=1, service_seconds=constant(1.0))
    assert [s.finished_at for s in served] == [1.0, 2.0, 3.0]
    assert [round(s.milliseconds) for s in served] == [1000, 1900, 2800]


@given(
    gaps=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=40),
    steps=st.lists(st.floats(0.01, 3.0), min_size=1, max_size=40),
    servers=st.integers(1, 4),
)
def test_how_often_a_station_is_looked_at_changes_nothing(gaps, steps, servers):
    arrivals = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    end = arrivals[-1] + len(gaps) + 1.0

    def finishes(looks):
        station, waiting, finished = Station(0.0), list(arrivals), []
        for look in looks:
            while waiting and waiting[0] <= look:
                station.arrive(None, waiting.pop(0))
            finished += [s.finished_at for s in station.advance(look, servers=servers, service_seconds=constant(1.0))]
        return finished

    looks = [sum(steps[: index + 1]) for index in range(len(steps))]
    often = [*[look for look in looks if look < end], end]
    assert finishes(often) == pytest.approx(finishes([end]))


def test_a_batch_leaves_a_station_together():
    station = Station(0.0)
    for number in range(5):
        station.arrive(number, 0.0)
    served = station.advance(10.0, servers=1, service_seconds=constant(1.0), batch=3)
    assert [s.finished_at for s in served] == [1.0, 1.0, 1.0, 2.0, 2.0]


def test_what_is_cleared_from_a_station_is_delivered_not_lost():
    station = Station(0.0)
    for number in range(4):
        station.arrive(number, 0.0)
    station.advance(0.5, servers=1, service_seconds=constant(1.0))
    assert [s.item for s in station.clear(2.0)] == [1, 2, 3]
    assert [s.item for s in station.advance(5.0, servers=1, service_seconds=constant(1.0))] == [0]


def test_servers_shorten_the_wait_and_not_the_work():
    assert waiting_factor(0.9, 8) < waiting_factor(0.9, 2) < waiting_factor(0.9, 1)
    assert math.isclose(waiting_factor(0.5, 1), 1.0)
    base = shipped_world("default").quantities() | {"validation.rules": 4000.0}
    more = validation_ns(base | {"validation.servers": 64.0})
    assert more > 80_000 > 2 * validation_ns(base | {"validation.rules": 100.0})


@given(load=st.floats(0.0, 50.0), servers=st.floats(1.0, 64.0))
def test_a_queue_is_never_negative_and_never_endless(load, servers):
    assert 0.0 <= waiting_factor(load, servers) < 1000.0


def test_bulk_jobs_take_workers_and_slow_the_rest_down():
    base = shipped_world("default").quantities() | {"bulk_jobs.running": 2.0, "bulk_jobs.workers_each": 1.0}
    assert revocation_path(base) == (2, 300.0 * 17)
    assert revocation_path(base | {"bulk_jobs.running": 9.0})[0] == 1


def test_changes_are_made_one_after_the_other():
    base = {"a.x": 4.0, "a.y": 6.0}
    changes = [
        Change(pattern="a.*", operation="multiply", amount=2.0),
        Change(pattern="a.x", operation="at_most", amount=5.0),
        Change(pattern="a.y", operation="add", amount=1.0),
    ]
    assert changed(base, changes) == {"a.x": 5.0, "a.y": 13.0}
    assert base == {"a.x": 4.0, "a.y": 6.0}


@given(name=st.text(min_size=1, max_size=30))
def test_no_name_of_a_target_reaches_other_quantities(name):
    part = as_part(name)
    assert matches(f"sources.{part}.blocked", f"sources.{part}.blocked")
    assert part == "node-1" or not matches(f"sources.{part}.blocked", "sources.node-1.blocked")


@given(rate=st.floats(0.1, 50.0), seed=st.integers(0, 1000))
def test_arrivals_keep_their_long_run_rate(rate, seed):
    noise = Noise(seed, 0.2)
    total = sum(noise.arrivals("a", rate * 0.05) for _ in range(4000))
    assert total == pytest.approx(rate * 200, rel=0.05, abs=2)


def test_the_same_seed_gives_the_same_world():
    worlds = [Simulation(shipped_world("default"), scale=60.0) for _ in range(2)]
    for simulation in worlds:
        simulation.befall("violation_storm")
        simulation.live(20)
    assert worlds[0].counted(1e4) == worlds[1].counted(1e4)


def test_after_a_long_silence_only_the_last_second_is_lived_through():
    simulation = Simulation(shipped_world("default"), scale=1.0)
    simulation.befall("violation_storm")
    simulation.world.step(BEGIN + 0.1)
    happened = simulation.world.step(BEGIN + 86_400)
    assert sum(happened.counted.values()) < 60


def test_a_clock_that_goes_back_stops_the_world_and_breaks_nothing():
    simulation = Simulation(shipped_world("default"), scale=1.0)
    simulation.world.step(BEGIN + 10)
    assert not simulation.world.step(BEGIN - 10).latencies["validation_ns"]


def test_a_policy_takes_effect_after_its_delay_divided_by_the_time_scale():
    simulation = Simulation(shipped_world("default"), scale=10.0)
    simulation.enforce("drop_oversized_rules")
    simulation.befall("oversized_rules")
    simulation.live(0.8)
    assert simulation.world.quantities["validation.rules"] == 4000
    simulation.live(0.4)
    assert simulation.world.quantities["validation.rules"] == 60


def test_a_remedy_holds_against_a_cause_that_comes_later():
    simulation = Simulation(shipped_world("default"), scale=60.0)
    simulation.enforce("rate_limit_source", "node-7")
    simulation.live(1)
    simulation.befall("metric_prober")
    simulation.live(1)
    assert simulation.world.quantities["sources.node-7.attempts.user_location"] == 15


def test_what_an_act_did_stays_done_when_its_cause_ends():
    simulation = Simulation(shipped_world("default"), scale=60.0)
    simulation.befall("forgotten_override")
    simulation.live(1)
    simulation.world.remove("forgotten_override")
    simulation.live(1)
    assert simulation.world.overrides == [("network_breach", "security_team")]


def test_blocked_attempts_are_counted_as_blocked_and_raise_no_event():
    simulation = Simulation(shipped_world("default"), scale=60.0)
    simulation.enforce("block_source", "node-7")
    simulation.live(1)
    simulation.befall("metric_prober")
    simulation.live(30)
    happened = simulation.world.step(simulation.now + 1)
    assert {status for _, node, status in happened.attempts if node == "node-7"} <= {"blocked"}
    assert simulation.world.quantities["sources.node-7.attempts.user_location"] == pytest.approx(0.62)


def test_a_source_that_no_world_listed_can_be_blocked():
    simulation = Simulation(shipped_world("default"), scale=60.0)
    simulation.enforce("block_source", "10.0.0.7:9100")
    simulation.live(1)
    simulation.world.attempt("user_location", "10.0.0.7:9100")
    assert simulation.world.step(simulation.now).attempts["user_location", "10.0.0.7:9100", "blocked"] == 1


def test_a_number_of_the_request_replaces_the_default():
    simulation = Simulation(shipped_world("default"), scale=1.0)
    simulation.enforce("add_validation_capacity", servers=12)
    simulation.live(25)
    assert simulation.world.quantities["validation.servers"] == 16


def test_members_close_the_gravest_cases_first_when_told_so():
    simulation = Simulation(shipped_world("default"), scale=60.0)
    simulation.enforce("prioritise_critical")
    simulation.befall("committee_backlog")
    simulation.live(1)
    for _ in range(3):
        violation = simulation.world.assess("unauthorized_override", "node-1", at=simulation.now)
        simulation.world.take(violation, now=simulation.now, report_ms=1.0)
    simulation.world.remove("committee_backlog")
    simulation.live(8)
    cases = simulation.world.committee.open_cases()
    assert cases["CRIMINAL_REFERRAL"] == 0
    assert cases["BAN_1YEAR"] > 14


def test_a_restart_continues_with_the_defect_the_override_and_the_backlog():
    before = Simulation(shipped_world("default"), scale=60.0)
    for fault in ("stale_restore", "forgotten_override", "committee_backlog"):
        before.befall(fault)
    before.live(1)
    state = before.world.state()
    after = Simulation(shipped_world("default"), scale=60.0)
    after.world.restore(state)
    after.world.add(
        influence("forgotten_override", after.file.faults["forgotten_override"], began_at=BEGIN, parameters={})
    )
    after.live(1)
    assert after.world.overrides == [("network_breach", "security_team")]
    assert sum(after.world.committee.open_cases().values()) == sum(before.world.committee.open_cases().values())
