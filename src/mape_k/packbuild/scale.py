"""Dividing what lasts: the one list of the places where durations are written, and how each kind of place is divided.

Rates, counts, ratios and measured latencies are never touched. In PromQL every range, subquery step and offset is a
duration; a plain number is one only when the comment ``# age`` follows it, as in ``time() - built_at > 86400 # age``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, TypeAlias

from mape_k.catalogue.durations import SECONDS, parse_duration
from mape_k.catalogue.promql import Token, tokens
from mape_k.catalogue.yaml_text import Path
from mape_k.model import SLOT

AGE_UNIT = "seconds old"
"""The unit of a signal that measures an age: the bounds on it are durations."""

_AGE_COMMENT = re.compile(r"[ \t]*#\s*age\b")
_LENGTHY = frozenset({"[", ":", "offset"})
"""What a duration follows in PromQL; some servers read a bare number there as seconds."""

_WRITTEN_IN = {unit: round(1000 * SECONDS[unit]) for unit in ("d", "h", "m", "s", "ms")}

Scaler: TypeAlias = Callable[[object, float], object]


class PlaceError(ValueError):
    """A place that should hold a duration holds something else.

    Args:
        path: the keys and indexes that lead there.
        sentence: what was expected.
    """

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


def scale_duration(text: object, time_scale: float) -> str:
    """Divide a duration (``1h30m``, ``250ms``), to the nearest millisecond; only nothing becomes nothing.

    Raises:
        ValueError: not a duration as Prometheus writes them.
    """
    seconds = 0.0 if text in ("0", 0) else parse_duration(text if isinstance(text, str) else "")
    rest = max(round(1000 * seconds / time_scale), 1 if seconds else 0)
    written = ""
    for unit, milliseconds in _WRITTEN_IN.items():
        count, rest = divmod(rest, milliseconds)
        written += f"{count}{unit}" if count else ""
    return written or "0s"


def scale_seconds(number: object, time_scale: float) -> float:
    """Divide a number of seconds; a whole result is written without a fraction.

    Raises:
        ValueError: not a number.
    """
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(  # noqa: TRY004 -- what stands in a file is a value
            f"expected a number of seconds, not {number!r}"
        )
    scaled = number / time_scale
    return int(scaled) if scaled.is_integer() else scaled


def scale_sent_seconds(number: object, time_scale: float) -> object:
    """Divide a number of seconds in what is sent; what fills a slot such as ``{ttl_seconds}`` is divided elsewhere.

    Raises:
        ValueError: neither a number nor a slot.
    """
    is_slot = isinstance(number, str) and SLOT.fullmatch(number) is not None
    return number if is_slot else scale_seconds(number, time_scale)


def scale_promql(query: object, time_scale: float) -> str:
    """Divide the durations in a PromQL expression; strings, comments, names and other numbers stay as they are.

    Raises:
        ValueError: not text, or a range, step or offset has no unit.
    """
    pieces = list(tokens(str(query)))
    before = ""
    for place, token in enumerate(pieces):
        if token.kind == "number" and before in _LENGTHY:
            raise ValueError(f"the duration {token.text} has no unit; write it like 5m")
        if token.kind == "duration":
            pieces[place] = Token("duration", scale_duration(token.text, time_scale))
        elif token.kind == "number" and _is_age(pieces[place + 1 : place + 3]):
            pieces[place] = Token("number", f"{scale_seconds(float(token.text), time_scale)}")
        if token.kind != "space" and token.text != "-":
            before = token.text
    return "".join(piece.text for piece in pieces)


def _is_age(following: Sequence[Token]) -> bool:
    return _AGE_COMMENT.match("".join(token.text for token in following)) is not None


RULE_FILE: Mapping[str, Scaler] = MappingProxyType(
    {
        "groups/*/interval": scale_duration,
        "groups/*/rules/*/expr": scale_promql,
        "groups/*/rules/*/for": scale_duration,
        "groups/*/rules/*/keep_firing_for": scale_duration,
    }
)
PACK_FILE: Mapping[str, Scaler] = MappingProxyType(
    {
        "jobs/*/scrape_interval": scale_duration,
        "limits/settle_after_blindness": scale_duration,
        "limits/plan_lifetime": scale_duration,
        "limits/inhibited_wait": scale_duration,
        "limits/*/per": scale_duration,
        "limits/*/within": scale_duration,
        "limits/storm/calm": scale_duration,
        "signals/*/query": scale_promql,
        "signals/*/window": scale_duration,
        "symptoms/*/window": scale_duration,
        "symptoms/*/threshold/for": scale_duration,
        "remediations/*/policy/parameters/*_seconds": scale_seconds,
        "remediations/*/compensation/parameters/*_seconds": scale_seconds,
        "remediations/*/then/*/parameters/*_seconds": scale_seconds,
        "remediations/*/then/*/compensation/parameters/*_seconds": scale_seconds,
        "remediations/*/request/body/**/*_seconds": scale_sent_seconds,
        "remediations/*/compensation/body/**/*_seconds": scale_sent_seconds,
        "remediations/*/then/*/body/**/*_seconds": scale_sent_seconds,
        "remediations/*/then/*/compensation/body/**/*_seconds": scale_sent_seconds,
        "remediations/*/probation": scale_duration,
        "remediations/*/settle": scale_duration,
        "remediations/*/verify/hold": scale_duration,
        "remediations/*/verify/deadline": scale_duration,
        "remediations/*/lifetime/ttl": scale_duration,
        "remediations/*/cooldown": scale_duration,
        "remediations/*/attempts/per": scale_duration,
    }
)
PROMETHEUS_FILE: Mapping[str, Scaler] = MappingProxyType(
    {
        "global/scrape_interval": scale_duration,
        "global/scrape_timeout": scale_duration,
        "global/evaluation_interval": scale_duration,
        "scrape_configs/*/scrape_interval": scale_duration,
        "scrape_configs/*/scrape_timeout": scale_duration,
    }
)
ALERTMANAGER_FILE: Mapping[str, Scaler] = MappingProxyType(
    {
        "global/resolve_timeout": scale_duration,
        "route/**/group_wait": scale_duration,
        "route/**/group_interval": scale_duration,
        "route/**/repeat_interval": scale_duration,
    }
)
PROMETHEUS_FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "--query.lookback-delta": "5m",
        "--rules.alert.resend-delay": "1m",
        "--rules.alert.for-outage-tolerance": "1h",
        "--rules.alert.for-grace-period": "10m",
    }
)
"""What Prometheus takes on its command line only, with its defaults."""


def prometheus_flags(time_scale: float) -> tuple[str, ...]:
    """Return the command line arguments with which Prometheus' own durations are divided too."""
    return tuple(f"{flag}={scale_duration(value, time_scale)}" for flag, value in PROMETHEUS_FLAGS.items())


def scale_document(document: object, places: Mapping[str, Scaler], time_scale: float) -> Any:  # noqa: ANN401 -- as the file has it
    """Return a copy of a YAML document in which every listed place is divided.

    Args:
        document: mappings, lists and scalars.
        places: scalers by the path of keys that leads to a place; ``*`` is any one key, ``**`` any number of them.
        time_scale: what is divided by, over 0.

    Raises:
        PlaceError: a place does not hold what its scaler divides.
    """
    return _scale(document, (), {tuple(place.split("/")): scaler for place, scaler in places.items()}, time_scale)


def scale_pack(document: object, time_scale: float) -> Any:  # noqa: ANN401 -- as the file has it
    """Return a copy of a ``pack.yaml`` in which everything durational is divided; raises as :func:`scale_document`."""
    scaled = scale_document(document, PACK_FILE, time_scale)
    for bound in _age_bounds(scaled):
        for side in bound.keys() & {"above", "below"}:
            bound[side] = scale_seconds(bound[side], time_scale)
    return scaled


def _scale(value: object, path: Path, places: Mapping[tuple[str, ...], Scaler], time_scale: float) -> object:
    if isinstance(value, dict):
        return {key: _scale(item, (*path, key), places, time_scale) for key, item in value.items()}
    if isinstance(value, list):
        return [_scale(item, (*path, index), places, time_scale) for index, item in enumerate(value)]
    scaler = next((scaler for place, scaler in places.items() if _leads_to(place, [str(key) for key in path])), None)
    if scaler is None or value is None:
        return value
    try:
        return scaler(value, time_scale)
    except ValueError as error:
        raise PlaceError(path, str(error)) from error


def _leads_to(place: Sequence[str], path: Sequence[str]) -> bool:
    if "**" in place:
        depth = len(path) - len(place) + 1
        place = [step for key in place for step in (["*"] * depth if key == "**" else [key])]
    return len(place) == len(path) and all(map(fnmatchcase, path, place))


def _age_bounds(pack: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the bounds on signals that measure an age."""
    ages = {name for name, signal in pack.get("signals", {}).items() if signal.get("unit") == AGE_UNIT}
    for symptom in pack.get("symptoms", {}).values():
        if symptom.get("signal") in ages and "threshold" in symptom:
            yield symptom["threshold"]
    for remediation in pack.get("remediations", {}).values():
        lifetime = remediation.get("lifetime")
        needed = lifetime.get("needed") if isinstance(lifetime, dict) else None
        for bound in (*remediation["verify"]["all"], *([needed] if needed else [])):
            if bound.get("signal") in ages:
                yield bound
