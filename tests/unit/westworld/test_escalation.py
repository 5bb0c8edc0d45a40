import pytest

from westworld.escalation import AttemptWatch, Repetition
from westworld.policy_document import Attempts
from westworld.vocabulary import SEVERITY_OF_TYPE, severity_of

RULE = Attempts(window_seconds=60.0, escalate_from=3, shutdown_from=5, event_interval_seconds=3600.0)
MONTH = 30 * 86400.0


def test_the_third_attempt_within_a_minute_is_escalated_and_raises_one_event():
    watch = AttemptWatch()
    answers = [watch.attempt("user_location", at, RULE) for at in (0.0, 1.0, 2.0, 3.0)]
    assert answers == [
        ("reported", None),
        ("reported", None),
        ("escalated", "escalate_to_dao"),
        ("escalated", None),
    ]


def test_slow_attempts_are_only_reported():
    watch = AttemptWatch()
    assert {watch.attempt("user_location", at, RULE)[0] for at in range(0, 600, 31)} == {"reported"}


def test_attempts_are_counted_by_metric_and_not_together():
    watch = AttemptWatch()
    assert {watch.attempt(metric, 0.0, RULE)[0] for metric in ("a", "b", "c", "d")} == {"reported"}


def test_after_an_hour_a_going_storm_raises_the_sharper_event():
    watch = AttemptWatch()
    events = [event for at in range(3700) if (event := watch.attempt("user_location", float(at), RULE)[1])]
    assert events == ["escalate_to_dao", "immediate_shutdown"]


def test_a_time_scale_shortens_the_windows():
    watch = AttemptWatch(time_scale=60.0)
    assert {watch.attempt("user_location", at * 0.6, RULE)[0] for at in range(20)} == {"reported"}


def test_the_level_rises_with_repetition_up_to_four():
    repetition = Repetition()
    assert [repetition.level("node-1", float(at), MONTH) for at in range(6)] == [1, 2, 3, 4, 4, 4]
    assert repetition.level("node-2", 6.0, MONTH) == 1


def test_violations_of_last_month_are_forgiven():
    repetition = Repetition([("node-1", 0.0), ("node-1", 10.0)])
    assert repetition.level("node-1", MONTH + 5.0, MONTH) == 2
    assert repetition.level("node-1", 3 * MONTH, MONTH) == 1


def test_a_flood_of_names_does_not_fill_the_memory():
    repetition = Repetition((f"node-{n}", 0.0) for n in range(10_500))
    assert len(repetition._times) == 10_000


@pytest.mark.parametrize(
    ("violation_type", "severity"), [*SEVERITY_OF_TYPE.items(), ("something_new", "WARNING"), ("", "WARNING")]
)
def test_the_severity_follows_from_the_type(violation_type, severity):
    assert severity_of(violation_type) == severity
