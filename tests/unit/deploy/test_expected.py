"""What running servers must have of a pack."""

from dataclasses import replace

from mape_k.catalogue import shipped_packs
from mape_k.deploy.expected import Seen, looks
from mape_k.packfiles import read_folder

CHARTER = read_folder(shipped_packs()["charter"])
ALL = Seen(
    targets={"westworld-charter": (2, 2)},
    rules=dict.fromkeys((rule.name for rule in CHARTER.rules), ""),
    metrics={"westworld-charter": frozenset(name for metric in CHARTER.inventory for name in metric.series)},
    receivers=frozenset(receiver.name for receiver in CHARTER.fragment.receivers),
)


def bad(**changes):
    return {look.what: look.detail for look in looks(CHARTER, replace(ALL, **changes)) if not look.is_good}


def test_a_pack_of_which_everything_is_there_is_good():
    assert bad() == {}
    assert len(list(looks(CHARTER, ALL))) == 4


def test_a_target_that_is_down_is_told_and_so_is_one_that_nobody_scrapes():
    assert bad(targets={"westworld-charter": (1, 2)}) == {"charter: targets of westworld-charter": "1 of 2 up"}
    assert bad(targets={}) == {"charter: targets of westworld-charter": "Prometheus has no target of it"}


def test_a_rule_that_is_not_loaded_is_named():
    rules = {name: "" for name in ALL.rules if name != "PolicyLoadFailure"}

    assert bad(rules=rules)["charter: rules"].endswith("not PolicyLoadFailure")


def test_a_rule_that_fails_is_told_with_its_error():
    assert bad(rules=ALL.rules | {"PolicyLoadFailure": "many-to-many"}) == {
        "charter: rules": "PolicyLoadFailure: many-to-many"
    }


def test_of_many_metrics_that_are_absent_some_are_named_and_the_rest_counted():
    told = bad(metrics={"westworld-charter": frozenset()})["charter: metrics"]

    assert told.startswith("0 of 15 there; not westworld_charter_")
    assert told.endswith("and 10 more")


def test_a_receiver_that_alertmanager_does_not_have_is_named():
    assert bad(receivers=ALL.receivers - {"critical-security"})["charter: receivers"].endswith("not critical-security")
