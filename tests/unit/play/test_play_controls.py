"""The played system obeys: one effect for each key, epochs that only rise, a journal of it all."""

from datetime import UTC, datetime
from pathlib import Path

from play.controls import Controls, Order
from play.reading import read_part
from play.tracks import Moment
from play.world import World

SHOP = Path(__file__).parent / "shop"
RESTOCK, RETURN = "/control/v1/shops/north/restock", "/control/v1/shops/north/return"


def controls(*faults: str) -> Controls:
    world = World(read_part(SHOP), lambda: Moment(elapsed=0.0, wall=0.0))
    for fault in faults:
        world.begin(fault)
    return Controls(world, lambda: datetime(2026, 3, 2, tzinfo=UTC))


def test_an_order_has_its_effect_and_is_answered_with_its_key():
    shop = controls("refusing")

    status, said = shop.take(Order(path=RESTOCK, key="k-1", epoch=3, body=b'{"why": "x"}'))

    assert (status, said["idempotency_key"], said["status"]) == (201, "k-1", "in_force")
    assert shop.world.faults == {"refusing": True}
    (entry,) = shop.journal
    assert (entry["control"], entry["target"], entry["effect"], entry["touched"]) == (
        "restock",
        "north",
        "applied",
        ["refusing"],
    )
    assert (entry["idempotency_key"], entry["epoch"], entry["body"]) == ("k-1", 3, {"why": "x"})


def test_the_same_key_gets_the_same_answer_and_no_second_effect():
    shop = controls("refusing")
    first = shop.take(Order(path=RESTOCK, key="k-1", body=b"{}"))[1]

    assert shop.take(Order(path=RESTOCK, key="k-1", body=b"{}")) == (200, first)
    assert shop.take(Order(path=RESTOCK, key="k-1", body=b"[]"))[0] == 422
    assert shop.take(Order(path=RETURN, key="k-1", body=b"{}"))[0] == 422
    assert len(shop.journal) == 1


def test_without_a_key_every_order_has_an_effect_and_none_is_echoed():
    shop = controls("refusing")
    said = [shop.take(Order(path=RESTOCK))[1] for _ in range(2)]

    assert len(shop.journal) == 2
    assert all("idempotency_key" not in each for each in said)


def test_an_epoch_that_is_over_is_refused_with_the_current_one():
    shop = controls("refusing")
    shop.take(Order(path=RESTOCK, key="a", epoch=7))

    status, said = shop.take(Order(path=RESTOCK, key="b", epoch=6))

    assert (status, said["current_epoch"]) == (412, 7)
    assert len(shop.journal) == 1
    assert shop.take(Order(path=RESTOCK, key="b", epoch=7))[0] == 201


def test_what_is_taken_back_comes_back_while_the_fault_lasts():
    shop = controls("refusing")
    action_id = shop.take(Order(path=RESTOCK, key="a"))[1]["action_id"]

    status, said = shop.take(Order(path=RETURN, key="b"))

    assert (status, said["status"]) == (200, "undone")
    assert shop.world.faults == {"refusing": False}
    assert shop.actions[action_id].status == "undone"
    assert [entry["effect"] for entry in shop.journal] == ["applied", "undone"]


def test_taking_back_touches_the_named_target_alone_and_may_find_nothing():
    shop = controls("refusing")
    shop.take(Order(path=RESTOCK, key="a"))

    shop.take(Order(path="/control/v1/shops/south%2Feast/return", key="b"))

    assert shop.world.faults == {"refusing": True}
    assert (shop.journal[-1]["effect"], shop.journal[-1]["target"]) == ("none", "south/east")


def test_a_control_that_is_no_cure_is_obeyed_and_changes_nothing():
    shop = controls("slow")

    assert shop.take(Order(path=RESTOCK, key="a"))[0] == 201
    assert shop.world.faults == {"slow": False}
    assert shop.journal[0]["touched"] == []


def test_a_path_that_is_no_control_is_not_found():
    assert controls().take(Order(path="/control/v1/shops/north/burn"))[0] == 404
    assert controls().take(Order(path="/control/v1/shops/a/b/restock"))[0] == 404
