"""Checks of Alertmanager's routes, receivers and inhibitions."""

import re
from collections.abc import Iterator, Sequence

from mape_k.packfiles import AlertmanagerFile, Rule
from mape_k.packfiles.alertmanager import Inhibition, Matcher, Route
from mape_k.packlint.matching import demands, exclude_each_other, implied, may_pass, named, shown, values_of
from mape_k.packlint.model import Findings, Found, Severity, check
from mape_k.packlint.suite import Suite

_NOBODY = re.compile(r"null|none|black_?hole|dev_?null|nobody|silent|discard|drop|void|ignore|noop", re.IGNORECASE)
_MAX_PAIRS = 200_000
_PAGING = ("critical", "page", "emergency", "crit")
_LOWER = ("warning", "info", "none", "notice", "debug", "low", "ticket")


@check(
    "continue-leads-nowhere",
    AlertmanagerFile,
    Severity.WARNING,
    "continue goes on to the next routes of the same level, never to the receiver of the route above.",
    remedy="add a following route with the same matchers and the receiver that is meant as well",
)
def continue_leads_nowhere(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield routes whose ``continue`` reaches no further route."""
    for parent in file.routes():
        for index, route in enumerate(parent.routes):
            after = parent.routes[index + 1 :]
            if not route.goes_on:
                continue
            if all(exclude_each_other(route.matchers, each.matchers) for each in after):
                above = parent.receiver or "the receiver above"
                message = f"after {shown(route.matchers)} no route takes the same alert; {above} is not told either"
                is_meant = _promises_default(route, parent) or not after
                yield Found(message=message, line=route.line, severity=Severity.ERROR if is_meant else None)
            elif _promises_default(route, parent) and not _is_told(route, after, parent):
                message = f"the comment promises {parent.receiver}, and continue does not lead there"
                yield Found(message=message, line=route.line, severity=Severity.ERROR)


def _promises_default(route: Route, parent: Route) -> bool:
    names = ["default", re.escape(parent.receiver)] if parent.receiver else ["default"]
    return (
        re.search(rf"\b(?:{'|'.join(names)})\b", route.comments, re.IGNORECASE) is not None
        and "not" not in route.comments
    )


def _is_told(route: Route, after: Sequence[Route], parent: Route) -> bool:
    return any(implied(route.matchers, each.matchers) and each.receiver in {parent.receiver, ""} for each in after)


@check(
    "route-never-reached",
    AlertmanagerFile,
    Severity.ERROR,
    "An earlier route without continue takes every alert that this one is for.",
    remedy="put the narrower route first, or give the earlier one continue",
)
def route_never_reached(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield routes that no alert comes to."""
    for parent in file.routes():
        for index, route in enumerate(parent.routes):
            for earlier in parent.routes[:index]:
                if not earlier.goes_on and implied(route.matchers, earlier.matchers):
                    yield Found(
                        message=f"{shown(route.matchers)} is taken by the route on line {earlier.line} already",
                        line=route.line,
                    )
                    break
            if exclude_each_other(route.matchers, route.matchers):
                yield Found(message=f"no alert is {shown(route.matchers)} at once", line=route.line)
            elif exclude_each_other(route.matchers, parent.matchers):
                yield Found(message=f"{shown(route.matchers)} contradicts the route above it", line=route.line)


@check(
    "receiver-never-reached",
    AlertmanagerFile,
    Severity.ERROR,
    "No route leads to this receiver, so it never hears of anything.",
    remedy="add a route to it, or remove it",
)
def receiver_never_reached(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield receivers without a route."""
    used = {route.receiver for route in file.routes()}
    for receiver in file.receivers:
        if receiver.name not in used and not _NOBODY.fullmatch(receiver.name):
            yield Found(message=f"no route leads to {receiver.name}", line=receiver.line)


@check(
    "unknown-receiver",
    AlertmanagerFile,
    Severity.ERROR,
    "A route names a receiver that does not exist; Alertmanager refuses the file.",
    remedy="add the receiver, or write its name as it is",
)
def unknown_receiver(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield routes to nobody; a fragment may use the receivers of the file that it becomes part of."""
    known = {receiver.name for receiver in file.receivers}
    for route in file.routes() if not file.is_fragment else ():
        if route.receiver and route.receiver not in known:
            yield Found(message=f"there is no receiver {route.receiver}", line=route.line)
    if not file.is_fragment and not file.route.receiver:
        yield Found(message="the route on top has no receiver", line=file.route.line)


@check(
    "receiver-tells-nobody",
    AlertmanagerFile,
    Severity.WARNING,
    "A receiver without a channel accepts alerts and tells nobody.",
    remedy="give it a channel, or name it null when that is meant",
)
def receiver_tells_nobody(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield receivers that are reached and have no channel."""
    used = {route.receiver for route in file.routes()}
    for receiver in file.receivers:
        if not receiver.channels and receiver.name in used and not _NOBODY.search(receiver.name):
            yield Found(message=f"{receiver.name} has no channel", line=receiver.line)


@check(
    "inhibition-matches-nothing",
    AlertmanagerFile,
    Severity.ERROR,
    "No pair of alerts can ever meet the conditions of this inhibition, so it mutes nothing.",
    remedy="name the pair by alertname, and put only labels that both alerts share into equal",
)
def inhibition_matches_nothing(file: AlertmanagerFile, suite: Suite) -> Findings:
    """Yield inhibitions that mute nothing."""
    for rule in file.inhibitions:
        if reason := _contradiction(rule) or _without_alerts(rule, suite.alerts):
            yield Found(message=reason, line=rule.line)


def _contradiction(rule: Inhibition) -> str:
    for side in (rule.source, rule.target):
        if exclude_each_other(side, side):
            return f"no alert is {shown(side)} at once"
    for label in rule.equal:
        source, target = ([each for each in side if each.label == label] for side in (rule.source, rule.target))
        if source and target and exclude_each_other(source, target):
            return f"{label} must be equal and differs: {shown(source)}, {shown(target)}"
    return ""


def _without_alerts(rule: Inhibition, alerts: Sequence[Rule]) -> str:
    """Return why none of the alerts that are known can be muted; without any, nothing is said."""
    sources, targets = (
        [each for each in alerts if may_pass(side, _labels(each))] for side in (rule.source, rule.target)
    )
    if not alerts:
        return ""
    if not sources or not targets:
        return f"none of the alerts is {shown(rule.source if not sources else rule.target)}"
    if len(sources) * len(targets) > _MAX_PAIRS:
        return ""
    for source in sources:
        for target in targets:
            if source is not target and all(_agree(_labels(source), _labels(target), label) for label in rule.equal):
                return ""
    return f"no two of the alerts agree on {', '.join(rule.equal)}"


def _labels(alert: Rule) -> dict[str, str]:
    return {**alert.labels, "alertname": alert.name}


def _agree(one: dict[str, str], other: dict[str, str], label: str) -> bool:
    if label not in one or label not in other or "{{" in one[label] + other[label]:
        return True
    return one[label] == other[label]


@check(
    "inhibition-needs-two-severities",
    AlertmanagerFile,
    Severity.WARNING,
    "With alertname in equal, only an alert that exists with both severities under one name can be muted.",
    remedy="name the pairs that are meant: alertname = A mutes alertname = B",
)
def inhibition_needs_two_severities(file: AlertmanagerFile, suite: Suite) -> Findings:
    """Yield inhibitions by severity under one alert name, where no alerts are at hand to see whether there are such."""
    for rule in file.inhibitions:
        source, target = _severities(rule.source), _severities(rule.target)
        is_by_severity = source and target and not source & target
        if "alertname" in rule.equal and is_by_severity and named(rule.source) is None and not suite.alerts:
            yield Found(message=f"{shown(rule.source)} over {shown(rule.target)} with equal alertname", line=rule.line)


def _severities(matchers: Sequence[Matcher]) -> frozenset[str]:
    found = (values_of(each) for each in matchers if each.label == "severity")
    return next((each for each in found if each), frozenset())


@check(
    "inhibition-matches-all",
    AlertmanagerFile,
    Severity.WARNING,
    "A label that both alerts lack counts as equal, so one alert without it mutes all others without it.",
    remedy='demand the label at the source, as in node =~ ".+", or name the alerts',
)
def inhibition_matches_all(file: AlertmanagerFile, suite: Suite) -> Findings:
    """Yield inhibitions that mute whatever has not the label either."""
    for rule in file.inhibitions:
        is_named = named(rule.source) is not None or named(rule.target) is not None
        if not is_named and not any(_is_there(label, rule, suite) for label in rule.equal):
            what = f"alerts without {' and '.join(rule.equal)} are equal" if rule.equal else "nothing has to be equal"
            message = f"{shown(rule.source)} mutes {shown(rule.target)}: {what}"
            yield Found(message=message, line=rule.line, severity=None if rule.equal else Severity.ERROR)


def _is_there(label: str, rule: Inhibition, suite: Suite) -> bool:
    if label == "alertname" or demands(rule.source, label) or demands(rule.target, label):
        return True
    return bool(suite.alerts) and all(label in alert.labels for alert in suite.alerts)


@check(
    "inhibition-mutes-critical",
    AlertmanagerFile,
    Severity.WARNING,
    "A critical alert must reach somebody, whatever else fires.",
    remedy='restrict the target, as in severity =~ "warning|info"',
)
def inhibition_mutes_critical(file: AlertmanagerFile, suite: Suite) -> Findings:
    """Yield inhibitions whose target may be critical."""
    for rule in file.inhibitions:
        names, severity = named(rule.target), _severity_of_muting(rule, suite)
        muted = [each for each in suite.alerts if each.severity in _PAGING and may_pass(rule.target, _labels(each))]
        if names is not None:
            known = [each for each in muted if each.name in names and each.name not in (named(rule.source) or ())]
            if known:
                message = f"{known[0].name} is {known[0].severity} and can be muted"
                yield Found(message=message, line=rule.line, severity=severity)
        elif _lets_critical(rule.target) and (muted or not suite.alerts):
            yield Found(message=f"{shown(rule.target)} may be critical", line=rule.line, severity=severity)


def _severity_of_muting(rule: Inhibition, suite: Suite) -> Severity | None:
    """Nobody is paged where what mutes is itself not critical; else somebody is, about another thing."""
    sources = [each for each in suite.alerts if may_pass(rule.source, _labels(each))]
    is_lower = bool(sources) and all(each.severity not in _PAGING for each in sources)
    return Severity.ERROR if is_lower or _severities(rule.source) & set(_LOWER) else None


def _lets_critical(matchers: Sequence[Matcher]) -> bool:
    of_severity = [each for each in matchers if each.label in {"severity", "priority", "level"}]
    values = [values_of(each) for each in of_severity]
    if any(each is not None and each <= set(_LOWER) for each in values):
        return False
    if any(each and each & set(_PAGING) for each in values):
        return True
    return may_pass(of_severity, {"severity": "critical"}) if of_severity else True


def mutes(rule: Inhibition) -> Iterator[str]:
    """Yield the labels that an inhibition asks of its target."""
    return (each.label for each in rule.target)
