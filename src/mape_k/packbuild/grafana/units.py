"""The units that boards use, by the names that Grafana has for them."""

from collections.abc import Mapping
from types import MappingProxyType

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "none": "a bare number",
        "short": "a number, thousands as K",
        "string": "the text itself",
        "bool_yes_no": "yes or no",
        "percent": "0 to 100",
        "percentunit": "0 to 1, shown in percent",
        "bytes": "bytes, in steps of 1024",
        "decbytes": "bytes, in steps of 1000",
        "Bps": "bytes per second, in steps of 1000",
        "ns": "nanoseconds",
        "µs": "microseconds",
        "ms": "milliseconds",
        "s": "seconds",
        "m": "minutes",
        "h": "hours",
        "d": "days",
        "dtdurations": "seconds, as a duration in words",
        "dateTimeAsIso": "milliseconds since 1970, as a date",
        "dateTimeFromNow": "milliseconds since 1970, as a distance from now",
        "cps": "counts per second",
        "cpm": "counts per minute",
        "ops": "operations per second",
        "opm": "operations per minute",
        "reqps": "requests per second",
        "reqpm": "requests per minute",
        "eps": "events per second",
        "wps": "writes per second",
        "rps": "reads per second",
        "currencyUSD": "dollars",
        "currencyEUR": "euros",
        "celsius": "degrees Celsius",
    }
)


def is_unit(name: str) -> bool:
    """Return whether Grafana has the unit; ``suffix:`` and ``prefix:`` with a text are units too."""
    head, colon, text = name.partition(":")
    return name in UNITS or (head in ("suffix", "prefix") and bool(colon) and bool(text.strip()))
