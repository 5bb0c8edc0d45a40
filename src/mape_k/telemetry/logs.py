"""Structured logs: one JSON object a line on stdout, bounded, without control characters and secrets."""

import json
import logging
import re
import sys
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from mape_k.model import CycleReport, Plan
from mape_k.text import printable

MAX_TEXT = 2000
MAX_ITEMS = 100
MAX_DEPTH = 4
_SECRET_NAME = re.compile(r"token|secret|password|authorization|credential|api_?key", re.IGNORECASE)
_HIDDEN = "***"


def configure_logging(
    level: str = "INFO",
    fmt: Literal["json", "console"] = "json",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send this program's and its libraries' log events to ``stream``, one line each.

    Args:
        level: the least level told: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        fmt: ``json``, or ``console`` for people.
        secrets: texts that must never be seen; hidden wherever they turn up.
        stream: stdout when None.
    """
    out = stream or sys.stdout
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _bounded,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(fmt, out)]
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Discreet(foreign_pre_chain=shared, processors=last, secrets=tuple(s for s in secrets if s)))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("alembic").setLevel("WARNING")


class _Discreet(structlog.stdlib.ProcessorFormatter):
    """Hides the known secrets in the finished line, wherever they came from."""

    def __init__(self, *, secrets: tuple[str, ...], **kwargs: Any) -> None:  # noqa: ANN401 (passed through)
        super().__init__(**kwargs)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        return line


def _renderers(fmt: str, out: TextIO) -> list[Processor]:
    if fmt == "json":
        return [structlog.processors.JSONRenderer(serializer=json.dumps)]
    return [_neutral, structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False)]


def _bounded(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cut what is long and deep, and hide what is named like a secret."""
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = _HIDDEN if _SECRET_NAME.search(key) else _cut(value, MAX_DEPTH)
    return event


def _cut(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth and isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_ITEMS]
        return {str(k): _HIDDEN if _SECRET_NAME.search(str(k)) else _cut(v, depth - 1) for k, v in pairs}
    if depth and isinstance(value, list | tuple):
        return [_cut(item, depth - 1) for item in value[:MAX_ITEMS]]
    text = str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _neutral(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show control characters instead of sending them to the terminal."""
    return {k: _shown(v, has_lines=k == "exception") if isinstance(v, str) else v for k, v in event.items()}


def _shown(text: str, *, has_lines: bool) -> str:
    lines = text.split("\n") if has_lines else [text]
    return "\n".join(printable(line, MAX_TEXT) for line in lines)


def canonical_line(report: CycleReport) -> dict[str, Any]:
    """Return the fields of the one line that tells a whole cycle, ``cycle_closed``.

    Everything is JSON-ready; durations of phases are in milliseconds, beside their budgets.
    """
    snapshot, assessment, plan = report.snapshot, report.assessment, report.plan
    return {
        "cycle_id": report.cycle_id,
        "as_of": report.as_of.isoformat(),
        "result": report.result.value,
        "failure": report.failure,
        "woken_by": report.woken_by.value,
        "seconds": round(report.seconds, 4),
        "phases": {t.phase.value: {"ms": _ms(t.seconds), "budget_ms": _ms(t.budget_seconds)} for t in report.timings},
        "series": sum(len(v.targets) for v in snapshot.vectors.values()) if snapshot else 0,
        "alerts": len(snapshot.alerts) if snapshot else 0,
        "sources_down": [s.name for s in snapshot.sources.values() if not s.is_up] if snapshot else [],
        "blind": list(assessment.blind) if assessment else [],
        "incidents": len(assessment.incidents) if assessment else 0,
        **(_plan_fields(plan) if plan else {}),
        "executed": list(report.executed),
        "audit_head": report.audit_head,
    }


def _plan_fields(plan: Plan) -> dict[str, Any]:
    return {
        "decisions": dict(Tally(d.reason.value for d in plan.decisions)),
        "actions": [f"{a.remediation} on {a.target}" for a in plan.actions],
        "follow_ups": dict(Tally(f.step.value for f in plan.follow_ups)),
        "refusal": plan.refusal.value if plan.refusal else None,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
