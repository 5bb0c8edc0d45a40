"""The two shipped worlds: healthy when nothing befalls them, ill by each fault, well again by the right cure alone."""

import pytest

from westworld_watch import Simulation, shipped_world, until

SCALE = 60.0
# fault → (alert, cures that help, plausible choices that do not)
DEFAULT = {
    "rogue_node": ("CriticalViolationDetected", [("quarantine_node", "node-5")], [("rate_limit_source", "node-5")]),
    "stale_restore": ("PolicyLoadFailure", [("rollback_policy", None)], [("reload_policy", None)]),
    "forgotten_override": ("EmergencyOverrideStayingActive", [("end_override", None)], [("reload_policy", None)]),
    "metric_prober": ("ForbiddenMetricSpike", [("block_source", "node-7")], [("rate_limit_source", "node-7")]),
    "notifier_channel_down": (
        "CommitteeNotificationLatencySLA",
        [("failover_notifier", None)],
        [("restart_notifier", None), ("batch_notifications", None)],
    ),
    "policy_churn": (
        "PolicyLoadFrequencyAnomaly",
        [("pin_policy_version", None), ("limit_reload_interval", None)],
        [("reload_policy", None)],
    ),
    "oversized_rules": (
        "ValidationLatencySLAViolation",
        [("drop_oversized_rules", None)],
        [("add_validation_capacity", None)],
    ),
    "committee_backlog": (
        "CommitteeOverloaded",
        [("close_duplicates", None)],
        [("prioritise_critical", None), ("add_committee_members", None)],
    ),
    "revocation_wave": (
        "UnusualDataRevocationActivity",
        [("hold_revocations", "policy_violation")],
        [("hold_revocations", "account_closure")],
    ),
    "bulk_revocation_jobs": (
        "DataRevocationSLAViolation",
        [("pause_bulk_jobs", None)],
        [("add_revocation_workers", None)],
    ),
    "violation_storm": (
        "HighViolationInvestigationRate",
        [("rate_limit_source", "node-6"), ("block_source", "node-6")],
        [("rate_limit_source", "node-7")],
    ),
}
OTHER = DEFAULT | {
    "rogue_node": ("CriticalViolationDetected", [("quarantine_node", "edge-c")], [("rate_limit_source", "edge-c")]),
    "metric_prober": (
        "ForbiddenMetricSpike",
        [("rate_limit_source", "telemetry"), ("block_source", "telemetry")],
        [("rate_limit_source", "billing")],
    ),
    "oversized_rules": (
        "ValidationLatencySLAViolation",
        [("add_validation_capacity", None)],
        [("drop_oversized_rules", None)],
    ),
    "revocation_wave": (
        "UnusualDataRevocationActivity",
        [("hold_revocations", "security_incident")],
        [("hold_revocations", "policy_violation")],
    ),
    "bulk_revocation_jobs": (
        "DataRevocationSLAViolation",
        [("add_revocation_workers", None)],
        [("pause_bulk_jobs", None)],
    ),
    "violation_storm": (
        "HighViolationInvestigationRate",
        [("rate_limit_source", "edge-d"), ("block_source", "edge-d")],
        [("rate_limit_source", "edge-a")],
    ),
}
FAULTS = [("default", name) for name in DEFAULT] + [("other", name) for name in OTHER]
CURES = [
    (world, fault, kind, target)
    for world, faults in (("default", DEFAULT), ("other", OTHER))
    for fault, (_, cures, _) in faults.items()
    for kind, target in cures
]
MISTAKES = [
    (world, fault, kind, target)
    for world, faults in (("default", DEFAULT), ("other", OTHER))
    for fault, (_, _, mistakes) in faults.items()
    for kind, target in mistakes
]


def ill_world(world: str, fault: str) -> tuple[Simulation, str]:
    simulation = Simulation(shipped_world(world), scale=SCALE)
    alert = simulation.file.faults[fault].raises
    simulation.live(10)
    simulation.befall(fault)
    until(simulation, lambda: alert in simulation.firing, at_most=60)
    return simulation, alert


@pytest.mark.parametrize("world", ["default", "other"])
@pytest.mark.parametrize(("scale", "step", "seconds"), [(1.0, 1.0, 5400), (60.0, 0.1, 180)])
def test_a_healthy_world_raises_no_alert(world, scale, step, seconds):
    simulation = Simulation(shipped_world(world), scale=scale, step=step)
    simulation.live(seconds)
    assert simulation.fired == set()


def test_a_healthy_world_is_not_silent():
    simulation = Simulation(shipped_world("default"), scale=SCALE)
    simulation.live(50)
    seen = simulation.counted(3000)
    assert seen["validation_ns"] > 1000
    assert seen["notification_ms"] > 50
    assert seen["revocation_ms"] > 5
    assert seen["violations"] >= 1


@pytest.mark.parametrize(("world", "fault"), FAULTS)
def test_a_fault_raises_its_alert_lastingly_and_no_undeclared_one(world, fault):
    simulation, alert = ill_world(world, fault)
    simulation.live(150)
    assert alert in simulation.firing
    assert simulation.fired <= {alert, *simulation.file.faults[fault].consequences}


@pytest.mark.parametrize(("world", "fault", "kind", "target"), CURES)
def test_the_right_policy_cures(world, fault, kind, target):
    simulation, alert = ill_world(world, fault)
    simulation.live(15)
    simulation.enforce(kind, target)
    until(simulation, lambda: alert not in simulation.firing, at_most=75)
    simulation.live(20)
    assert alert not in simulation.firing


@pytest.mark.parametrize(("world", "fault", "kind", "target"), MISTAKES)
def test_a_plausible_wrong_policy_does_not_cure(world, fault, kind, target):
    simulation, alert = ill_world(world, fault)
    simulation.enforce(kind, target)
    simulation.live(75)
    assert alert in simulation.firing
