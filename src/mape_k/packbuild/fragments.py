"""What a pack brings to the servers' configuration: scrape jobs for Prometheus; routes and receivers for Alertmanager.

Both are written in the servers' own form. Here is checked what only shows when packs come together; the rest is for
``promtool check config`` and ``amtool check-config`` to say.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationError

from mape_k.catalogue.document import Document
from mape_k.packfiles import Refusal, RefusedError
from mape_k.packfiles.reading import YamlFile, read_yaml_file, validation_refusals

SCRAPE_FILE = Path("scrape.yaml")
ROUTES_FILE = Path("alertmanager") / "routes.yaml"

_ServerName = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One file of a pack that becomes part of a server's configuration.

    Args:
        file: where it stands.
        value: what it holds: the scrape jobs, or the mapping of routes, inhibitions and receivers.
    """

    file: YamlFile
    value: Any


class _Open(Document):
    model_config = Document.model_config | {"extra": "allow"}


class _Receiver(_Open):
    name: _ServerName


class _Child(_Open):
    receiver: _ServerName | None = None
    routes: list["_Child"] = Field(default=[], max_length=500)


class _Route(_Child):
    receiver: _ServerName
    matchers: list[str] = Field(min_length=1, max_length=20)


class _Routes(Document):
    route: _Route
    inhibit_rules: list[dict[str, JsonValue]] = Field(default=[], max_length=500)
    receivers: list[_Receiver] = Field(default=[], max_length=500)


def read_scrape_jobs(folder: Path) -> Fragment | None:
    """Read the scrape jobs of the pack in ``folder``; None: it has none.

    Raises:
        RefusedError: everything that is wrong with them.
    """
    path = folder / SCRAPE_FILE
    if not path.exists():
        return None
    file = read_yaml_file(path)
    if refusals := list(_refuse_jobs(file)):
        raise RefusedError(refusals)
    return Fragment(file=file, value=file.value)


def _refuse_jobs(file: YamlFile) -> Iterator[Refusal]:
    if not isinstance(file.value, list):
        yield file.refuse((), "expected a list of scrape jobs; begin each with `- job_name:`")
        return
    for number, job in enumerate(file.value):
        if not (isinstance(job, dict) and isinstance(job.get("job_name"), str)):
            yield file.refuse((number, "job_name"), "is missing; give the job the name that pack.yaml has for it")


def read_routes(folder: Path, system: str) -> Fragment | None:
    """Read who hears of the alerts of the pack in ``folder``; None: it does not say.

    Args:
        folder: of the pack.
        system: the pack's name; its route must take the alerts of this system and no others.

    Raises:
        RefusedError: everything that is wrong with them.
    """
    path = folder / ROUTES_FILE
    if not path.exists():
        return None
    file = read_yaml_file(path)
    try:
        document = _Routes.model_validate(file.value)
    except ValidationError as error:
        raise RefusedError(list(validation_refusals(file, _Routes, error))) from error
    if not any(re.fullmatch(rf'system\s*=\s*"?{re.escape(system)}"?', each) for each in document.route.matchers):
        sentence = f"expected one of them to be `system = {system}`, so that the route takes no other system's alerts"
        raise RefusedError([file.refuse(("route", "matchers"), sentence)])
    return Fragment(file=file, value=file.value)


def receivers_of(route: Mapping[str, Any]) -> Iterator[str]:
    """Yield the receivers that a route and those below it name, with repetitions."""
    if isinstance(name := route.get("receiver"), str):
        yield name
    for below in route.get("routes") or ():
        yield from receivers_of(below)
