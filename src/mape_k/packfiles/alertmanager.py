"""Alertmanager's configuration, whole or the fragment that a pack brings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mape_k.packfiles.reading import YamlFile, read_yaml_file
from mape_k.packfiles.shapes import Node

FRAGMENT = Path("alertmanager") / "routes.yaml"

MAX_ROUTES, MAX_MATCHER = 1000, 2000

_ROUTE_KEYS = (
    "receiver",
    "group_by",
    "continue",
    "match",
    "match_re",
    "matchers",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "mute_time_intervals",
    "active_time_intervals",
    "routes",
)
_ROUTED = {"matchers", "match", "match_re"}
_MATCHER = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*|\"[^\"]*\")\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_BETWEEN = re.compile(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """A condition on one label.

    Args:
        label: its name.
        op: ``=``, ``!=``, ``=~`` or ``!~``.
        value: compared with; a regular expression is anchored at both ends.
    """

    label: str
    op: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A node of the routing tree.

    Args:
        line: where it begins.
        receiver: its own; empty: that of the route above.
        group_by: its own; None: that of the route above.
        goes_on: whether ``continue`` is set.
        matchers: all must hold.
        routes: the routes below, in order.
        comments: what is written beside and directly above it.
    """

    line: int
    receiver: str
    group_by: tuple[str, ...] | None
    goes_on: bool
    matchers: tuple[Matcher, ...]
    routes: tuple["Route", ...]
    comments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """While an alert fires that ``source`` matches, those that ``target`` matches are not told."""

    line: int
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who is told.

    Args:
        line: where it begins.
        name: that routes use.
        channels: the settings of each way to tell, by its key (``slack_configs``), with its line.
    """

    line: int
    name: str
    channels: tuple[tuple[str, Mapping[str, object], int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerFile:
    """Alertmanager's configuration.

    Args:
        path: of the file.
        content: its text.
        is_fragment: a pack's part of it: without ``global`` and templates.
        keys: those on top, with their lines.
        common: the section ``global``.
        templates: paths of template files, as written.
        route: the root.
        inhibitions: in order.
        receivers: in order.
        texts: every text of the file with its line.
    """

    path: Path
    content: str
    is_fragment: bool
    keys: Mapping[str, int]
    common: Mapping[str, object]
    templates: tuple[str, ...]
    route: Route
    inhibitions: tuple[Inhibition, ...]
    receivers: tuple[Receiver, ...]
    texts: tuple[tuple[int, str], ...] = field(default=())

    def routes(self) -> Iterator[Route]:
        """Yield every route, the root first."""
        return _all_routes(self.route)


def _all_routes(route: Route) -> Iterator[Route]:
    yield route
    for below in route.routes:
        yield from _all_routes(below)


def read_alertmanager_file(path: Path, *, is_fragment: bool = False) -> AlertmanagerFile:
    """Read Alertmanager's configuration.

    Raises:
        RefusedError: everything that is wrong with its form.
    """
    return alertmanager_file_of(read_yaml_file(path), is_fragment=is_fragment)


def alertmanager_file_of(file: YamlFile, *, is_fragment: bool = False) -> AlertmanagerFile:
    """Return what a YAML file says as Alertmanager's configuration; a root with matchers is the part of a larger one.

    Raises:
        RefusedError: everything that is wrong with its form.
    """
    root = Node(file, file.value)
    keys = {key: root[key].line for key in root.mapping()}
    root["route"].mapping()
    if not root["route"]:
        root.refuse("route is missing; add it")
    read = AlertmanagerFile(
        path=file.path,
        content=file.content,
        is_fragment=is_fragment or _ROUTED & root["route"].mapping().keys() != set(),
        keys=keys,
        common=root["global"].mapping(),
        templates=root["templates"].texts(),
        route=_route(root["route"], file.content.splitlines()),
        inhibitions=tuple(_inhibition(each) for each in root["inhibit_rules"].each()),
        receivers=tuple(_receiver(each) for each in root["receivers"].each()),
        texts=tuple(all_texts(root)),
    )
    root.settle()
    if sum(1 for _ in read.routes()) > MAX_ROUTES or len(read.inhibitions) > MAX_ROUTES:
        root.refuse(f"expected at most {MAX_ROUTES} routes and as many inhibitions")
        root.settle()
    return read


def _route(route: Node, lines: list[str]) -> Route:
    route.mapping(_ROUTE_KEYS)
    return Route(
        line=route.line,
        receiver=route["receiver"].text(),
        group_by=route["group_by"].texts() if "group_by" in route else None,
        goes_on=route["continue"].flag(),
        matchers=(*_old(route["match"], "="), *_old(route["match_re"], "=~"), *_matchers(route["matchers"])),
        routes=tuple(_route(each, lines) for each in route["routes"].each()),
        comments=_comments(route, lines),
    )


def _comments(route: Node, lines: list[str]) -> str:
    """Return the comments directly above a route and at its own keys."""
    first = min(route.line, len(lines)) - 1
    said = []
    above = first - 1
    while above >= 0 and lines[above].lstrip().startswith("#"):
        said.append(lines[above])
        above -= 1
    own = [route[key].line - 1 for key in route.mapping() if key != "routes"]
    said += [lines[index].partition(" #")[2] for index in own if index < len(lines)]
    return "\n".join(said)


def _inhibition(rule: Node) -> Inhibition:
    rule.mapping(
        (
            "source_match",
            "source_match_re",
            "source_matchers",
            "target_match",
            "target_match_re",
            "target_matchers",
            "equal",
            "name",
        )
    )
    source, target = (
        (*_old(rule[f"{side}_match"], "="), *_old(rule[f"{side}_match_re"], "=~"), *_matchers(rule[f"{side}_matchers"]))
        for side in ("source", "target")
    )
    return Inhibition(line=rule.line, source=source, target=target, equal=rule["equal"].texts())


def _old(node: Node, op: str) -> Iterator[Matcher]:
    for label, value in node.text_map().items():
        yield Matcher(label=label, op=op, value=value)


def _matchers(node: Node) -> Iterator[Matcher]:
    """Yield matchers of a list; an element may hold several, as in ``{a="b", c="d"}``."""
    for each in node.each():
        text = each.text().strip()
        if len(text) > MAX_MATCHER:
            each.refuse(f"expected at most {MAX_MATCHER} characters")
            continue
        inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
        for part in filter(str.strip, _BETWEEN.split(inner)):
            found = _MATCHER.fullmatch(part)
            if found is None:
                each.refuse('expected a matcher such as severity = "critical"')
                continue
            label, op, value = found.groups()
            yield Matcher(label=label.strip('"'), op=op, value=_unquoted(value))


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value


def _receiver(receiver: Node) -> Receiver:
    channels = [
        (key, channel.mapping(), channel.line)
        for key in receiver.mapping()
        if key.endswith("_configs")
        for channel in receiver[key].each()
    ]
    name = receiver["name"].text()
    if not name:
        receiver.refuse("the receiver has no name; add one")
    return Receiver(line=receiver.line, name=name, channels=tuple(channels))


def all_texts(node: Node) -> Iterator[tuple[int, str]]:
    """Yield every text below ``node`` with its line."""
    if isinstance(node.value, str):
        yield node.line, node.value
    elif isinstance(node.value, dict):
        for key in node.value:
            yield from all_texts(node[key])
    elif isinstance(node.value, list):
        for each in node.each():
            yield from all_texts(each)
