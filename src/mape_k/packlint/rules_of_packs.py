"""Checks of what packs agree on among themselves; nothing here is asked of other people's files."""

from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import name_of, selectors
from mape_k.packlint.suite import Suite

_LABELS = ("severity", "team", "component", "system")
_ANNOTATIONS = ("summary", "description", "action", "dashboard", "runbook_url")


@check(
    "incomplete-alert",
    Query,
    Severity.WARNING,
    "An alert of a pack says whom it concerns, what is wrong, what to do and where to look.",
    remedy="add what is missing",
)
def incomplete_alert(query: Query, suite: Suite) -> Findings:
    """Yield alerts of packs that lack a label or an annotation."""
    alert = query.alert
    if alert is None or suite.pack is None:
        return
    missing = [f"labels.{key}" for key in _LABELS if not alert.labels.get(key)]
    missing += [f"annotations.{key}" for key in _ANNOTATIONS if not alert.annotations.get(key)]
    if missing:
        yield f"lacks {', '.join(missing)}"


@check(
    "selector-without-job",
    Query,
    Severity.WARNING,
    "A pack watches one system: without its job, series of the same name from elsewhere are counted too.",
    remedy='add job="…"',
)
def selector_without_job(query: Query, suite: Suite) -> Findings:
    """Yield selectors of packs' rules that do not say whose series they mean."""
    if suite.pack is None or query.rule is None:
        return
    for selector in selectors(query.expr):
        name = name_of(selector)
        if name and ":" not in name and not any(each.name == "job" for each in selector.matchers.matchers):
            yield f"{name} is asked of every job"
            return


@check(
    "missing-runbook",
    Suite,
    Severity.WARNING,
    "An alert of a pack links to a runbook that is not there, or a runbook is about no alert.",
    remedy="write the runbook under the alert's name, or remove it",
)
def missing_runbook(suite: Suite, _: Suite) -> Findings:
    """Yield alerts of a pack without runbook file, and runbooks without alert."""
    if suite.pack is None:
        return
    written = {runbook.name for runbook in suite.pack.runbooks if not runbook.is_maintenance}
    linked = {
        link.rsplit("/", 1)[-1].partition("#")[0].removesuffix(".md")
        for alert in suite.alerts
        if (link := alert.annotations.get("runbook_url", ""))
    }
    for alert in suite.alerts:
        link = alert.annotations.get("runbook_url", "")
        name = link.rsplit("/", 1)[-1].partition("#")[0].removesuffix(".md")
        if link and name not in written:
            line = alert.lines.get("annotations.runbook_url", alert.line)
            yield Found(message=f"there is no {link}", line=line, path=alert.path, where=f"alert {alert.name}")
    for runbook in suite.pack.runbooks:
        if not runbook.is_maintenance and runbook.name not in linked:
            where = f"runbook {runbook.name}"
            yield Found(message=f"no alert links to {runbook.path.name}", line=1, path=runbook.path, where=where)
