import pytest

from westworld import policy_document
from westworld.problems import InvalidFile
from westworld.publisher import Publisher
from westworld.validator import MetricValidator, Ruling
from westworld_watch import DOCUMENT


def problems_of(text, **options):
    with pytest.raises(InvalidFile) as refused:
        policy_document.parse(text, "policy.yaml", **options)
    return refused.value.problems


def test_the_shipped_document_allows_13_metrics_and_forbids_6():
    document = policy_document.parse(DOCUMENT)
    assert (len(document.allowed), len(document.forbidden)) == (13, 6)
    assert document.responses == {
        1: "log_and_notify",
        2: "block_and_suspend",
        3: "quarantine_node",
        4: "legal_escalation",
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("forbidden_metrics:", "forbiden_metrics:", "forbiden_metrics"),
        ("version: 1.0.0", "version: one", "charter.version"),
        ("level: 4", "level: 5", "exactly the levels 1, 2, 3 and 4"),
        ("{name: user_location", "{name: latency_p50", "both allowed and forbidden: latency_p50"),
        ("  status: active", "  status: active\n  status: pending", "doubled"),
        ("retention_days: 30", "retention_days: 0", "greater than or equal to 1"),
        ("charter:\n", "charter: &a\n", "Write"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_with_its_key(old, new, told):
    text = DOCUMENT.replace(old, new, 1)
    if told == "Write":
        text, told = text + "copy: *a\n", "an alias (*a); write the value out"
    assert any(told in problem and problem.startswith("policy.yaml:") for problem in problems_of(text))


def test_a_problem_names_the_line():
    text = DOCUMENT.replace("quorum_percent: 66", "quorum_percent: 660")
    line = text[: text.index("quorum_percent")].count("\n") + 1
    assert problems_of(text)[0].startswith(f"policy.yaml:{line}: emergency_override.quorum_percent: ")


def test_a_document_of_a_megabyte_is_refused_unread():
    assert "more than 1000000 characters" in problems_of("a" * 1_000_001)[0]


@pytest.mark.parametrize("text", ["", "[]", "- {", "\t", "charter: !!python/object:os.system {}"])
def test_what_is_no_document_is_refused(text):
    assert problems_of(text)


def test_a_version_that_does_not_validate_leaves_the_last_good_one_in_force():
    publisher = Publisher(lambda: DOCUMENT, 100.0)
    publisher.defect = "forbidden_metrics"
    assert not publisher.load(200.0)
    assert publisher.loaded_at == 100.0
    assert "forbidden_metrics" in publisher.problem
    assert len(publisher.document.forbidden) == 6


def test_rolling_back_publishes_the_last_good_version_again():
    publisher = Publisher(lambda: DOCUMENT, 100.0)
    publisher.defect = "access_control"
    publisher.roll_back(300.0)
    assert publisher.loaded_at == 300.0
    assert publisher.load(400.0)


def test_a_changed_file_is_in_force_after_the_next_load():
    texts = [DOCUMENT, DOCUMENT.replace("service_version", "service_build")]
    publisher = Publisher(lambda: texts.pop(0), 0.0)
    assert publisher.load(1.0)
    assert "service_build" in publisher.document.allowed


def test_a_file_that_vanished_is_a_load_that_failed():
    answers = iter([DOCUMENT])

    def read():
        for text in answers:
            return text
        raise FileNotFoundError("gone")

    publisher = Publisher(read, 0.0)
    assert not publisher.load(1.0)
    assert publisher.problem == "gone"


def test_the_service_continues_with_the_last_good_version_whatever_is_published_now():
    publisher = Publisher(lambda: DOCUMENT, 5.0)
    again = Publisher(lambda: "broken", 9.0, publisher.state())
    assert again.loaded_at == 5.0
    assert len(again.document.allowed) == 13


@pytest.mark.parametrize(
    ("name", "ruling"),
    [
        ("cpu_usage_percent", Ruling.ALLOWED),
        ("user_location", Ruling.FORBIDDEN),
        ("CPU_USAGE_PERCENT", Ruling.UNKNOWN),
        ("", Ruling.UNKNOWN),
    ],
)
def test_the_validator_rules_by_the_document(name, ruling):
    latencies = []
    validator = MetricValidator(policy_document.parse(DOCUMENT), latencies.append)
    assert validator.check(name) is ruling
    assert len(latencies) == 1
    assert latencies[0] > 0


def test_the_validator_follows_a_new_document():
    validator = MetricValidator(policy_document.parse(DOCUMENT), [].append)
    validator.put_in_force(policy_document.parse(DOCUMENT.replace("service_version", "service_build")))
    assert validator.check("service_version") is Ruling.UNKNOWN
    assert validator.check("service_build") is Ruling.ALLOWED
