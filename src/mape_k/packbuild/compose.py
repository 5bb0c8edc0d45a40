"""The servers' configuration as a whole: a base file, and what each pack brings to it.

What the base already has stays as the base has it, so that addresses and channels are changed there and nowhere else.
Two packs that bring the same name are refused.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mape_k.packbuild.fragments import Fragment, receivers_of
from mape_k.packbuild.scale import PlaceError
from mape_k.packbuild.stack import DAEMON_RECEIVER
from mape_k.packfiles import Refusal

Refusals: TypeAlias = list[Refusal]
Composer: TypeAlias = Callable[[Mapping[str, Any], Sequence[Fragment]], tuple[dict[str, Any], Refusals]]


Parts: TypeAlias = Mapping[tuple[str, ...], type]
"""Where a configuration has lists, and of what."""

_OF_PROMETHEUS: Parts = {("scrape_configs",): dict, ("rule_files",): str}
_OF_ALERTMANAGER: Parts = {
    ("route", "routes"): dict,
    ("receivers",): dict,
    ("inhibit_rules",): dict,
    ("templates",): str,
}
_WORDS: Mapping[type, str] = {dict: "keys with values", str: "text"}


def check_prometheus(base: Mapping[str, Any]) -> None:
    """Look whether the parts of Prometheus' configuration that packs add to are what they should be.

    Raises:
        PlaceError: one is not.
    """
    _check_lists(base, _OF_PROMETHEUS)


def check_alertmanager(base: Mapping[str, Any]) -> None:
    """Look at Alertmanager's configuration, as :func:`check_prometheus` does."""
    if not isinstance(base.get("route") or {}, dict):
        raise PlaceError(("route",), "expected keys with values")
    _check_lists(base, _OF_ALERTMANAGER)


def _check_lists(base: Mapping[str, Any], parts: Parts) -> None:
    for path, kind in parts.items():
        items: Any = base
        for key in path:
            items = items.get(key) or {}
        if items and not isinstance(items, list):
            raise PlaceError(path, "expected a list")
        for number, item in enumerate(items):
            if not isinstance(item, kind):
                raise PlaceError((*path, number), f"expected {_WORDS[kind]}")


def with_scrape_jobs(base: Mapping[str, Any], fragments: Sequence[Fragment]) -> tuple[dict[str, Any], Refusals]:
    """Return Prometheus' configuration with the jobs of the packs behind its own, and what stands against it."""
    jobs = list(base.get("scrape_configs") or ())
    taken: dict[Any, Fragment | None] = {job.get("job_name"): None for job in jobs}
    added, refusals = _merged(taken, [(each, each.value) for each in fragments], ("job_name",))
    return {**base, "scrape_configs": [*jobs, *added]}, refusals


def with_rule_files(base: Mapping[str, Any], rule_files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Return Prometheus' configuration with the rule files of the packs behind its own.

    Args:
        base: the configuration.
        rule_files: relative to where the configuration will be.
        folder: what the base's own rule files are relative to; they are found from anywhere afterwards.
    """
    own = [str(folder.resolve() / pattern) for pattern in base.get("rule_files") or ()]
    return {**base, "rule_files": [*own, *map(str, rule_files)]}


def with_routes(base: Mapping[str, Any], fragments: Sequence[Fragment]) -> tuple[dict[str, Any], Refusals]:
    """Return Alertmanager's configuration with what the packs bring, and what stands against it.

    The packs' routes come right after the daemon's, which hears of everything; without one they come first.
    """
    receivers = list(base.get("receivers") or ())
    taken: dict[Any, Fragment | None] = {
        receiver.get("name"): None for receiver in receivers if isinstance(receiver, dict)
    }
    brought = [(each, each.value.get("receivers", ())) for each in fragments]
    added, refusals = _merged(taken, brought, ("name", "receivers"))
    known = {each.get("name") for each in (*receivers, *added)}
    for fragment in fragments:
        refusals += _strangers(fragment, known)
    inhibitions = [rule for fragment in fragments for rule in fragment.value.get("inhibit_rules", ())]
    composed = {
        **base,
        "route": _nested(base.get("route") or {}, [fragment.value["route"] for fragment in fragments]),
        "inhibit_rules": [*(base.get("inhibit_rules") or ()), *inhibitions],
        "receivers": [*receivers, *added],
    }
    return composed, refusals


def _nested(root: Mapping[str, Any], routes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    own = list(root.get("routes") or ())
    place = next((number + 1 for number, route in enumerate(own) if _is_the_daemons(route)), 0)
    return {**root, "routes": [*own[:place], *routes, *own[place:]]}


def _is_the_daemons(route: Mapping[str, Any]) -> bool:
    return route.get("receiver") == DAEMON_RECEIVER and route.get("continue") is True


def _merged(
    taken: dict[Any, Fragment | None],
    brought: Sequence[tuple[Fragment, Sequence[Any]]],
    key: tuple[str, ...],
) -> tuple[list[Any], Refusals]:
    """Return what is new, and what is refused.

    Args:
        taken: by name: None for the base's own, which stay.
        brought: the items of each fragment.
        key: the key of an item that names it, then where the items stand in their file.
    """
    added, refusals = [], []
    name, *place = key
    for fragment, items in brought:
        for number, item in enumerate(items):
            if item[name] not in taken:
                taken[item[name]] = fragment
                added.append(item)
            elif owner := taken[item[name]]:
                sentence = f"{item[name]} is in {owner.file.path} already; give each its own name"
                refusals.append(fragment.file.refuse((*place, number, name), sentence))
    return added, refusals


def _strangers(fragment: Fragment, known: set[Any]) -> Refusals:
    unknown = sorted(set(receivers_of(fragment.value["route"])) - known)
    sentence = "is a receiver that neither this file nor the base has; define it under receivers"
    return [fragment.file.refuse(("route",), f"{name} {sentence}") for name in unknown]
