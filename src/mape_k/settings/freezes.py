"""Change-freeze windows as people write them: a part of every week at a place, or one time between two moments."""

import re
from datetime import datetime
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from mape_k.model import DatedFreeze, Freeze, WeeklyFreeze
from mape_k.text import printable

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EXPECTED = "Fri 16:00-Mon 06:00 Europe/Berlin or 2026-12-24T00:00Z/2026-12-27T00:00Z, with ; between windows"

_MOMENT = rf"({'|'.join(DAYS)}) ([01][0-9]|2[0-3]):([0-5][0-9])"
_WEEKLY = re.compile(rf"{_MOMENT} ?- ?{_MOMENT} (\S+)")


def _freezes(text: str) -> tuple[Freeze, ...]:
    return tuple(_freeze(part.strip()) for part in text.split(";") if part.strip())


def _freeze(text: str) -> Freeze:
    weekly = _WEEKLY.fullmatch(text)
    return _every_week(*weekly.groups()) if weekly else _once(text)


def _every_week(*parts: str) -> WeeklyFreeze:
    begin, end, zone = _minute(*parts[:3]), _minute(*parts[3:6]), parts[6]
    if begin == end:
        raise ValueError("a freeze that ends as it begins could mean a week or nothing; expected two moments")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError) as error:
        raise ValueError(f"{printable(zone, 40)} is no known time zone; expected one such as Europe/Berlin") from error
    return WeeklyFreeze(begin_minute=begin, end_minute=end, zone=zone)


def _minute(day: str, hour: str, minute: str) -> int:
    return (DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)


def _once(text: str) -> DatedFreeze:
    try:
        begin, end = (datetime.fromisoformat(moment.strip()) for moment in text.split("/"))
    except ValueError as error:
        raise ValueError(f"{printable(text, 60)} is no window; expected {EXPECTED}") from error
    if begin.tzinfo is None or end.tzinfo is None:
        raise ValueError("expected both moments with a zone: Z, or an offset such as +02:00")
    if begin >= end:
        raise ValueError("the window ends before it begins")
    return DatedFreeze(begin=begin, end=end)


Freezes: TypeAlias = Annotated[tuple[Freeze, ...], BeforeValidator(_freezes)]
