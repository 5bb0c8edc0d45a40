"""The files of one stack: a pack's rules and routes, built for a time scale, with the player in the system's place."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mape_k.catalogue.durations import parse_duration
from mape_k.catalogue.folders import PACK_FILE
from mape_k.packbuild import build
from mape_k.packfiles.inventory import INVENTORY_FILE
from play.reading import SCENARIOS_FILE
from proving.counts import Division
from proving.plants import Plant
from proving.windows import Windows

CONFIG = Path(__file__).parents[2] / "config"
PACKS = CONFIG / "packs"
LEAST_SCRAPE_SECONDS = 0.25
"""What a busy machine can keep up with, several times at once."""

LEAST_EVALUATION_SECONDS = 0.3
TELLS_OF_THE_END = {"webhook_configs": True, "pagerduty_configs": True, "opsgenie_configs": True}
"""What kinds of receivers tell by default that an alert is over; the others do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alerting rule, as the trial runs it.

    Args:
        name: of the alert.
        labels: those that it adds.
        expr: the query, its durations divided.
        for_seconds: how long it must hold, divided.
        shows_seconds: how long after a fault it may still hold, divided.
        longest_seconds: how far it looks back at most, divided.
    """

    name: str
    labels: Mapping[str, str]
    expr: str
    for_seconds: float
    shows_seconds: float = 0.0
    longest_seconds: float = 0.0

    @property
    def is_always_firing(self) -> bool:
        """Whether it looks at nothing: a dead man's switch."""
        return re.search(r"\{|\[", self.expr) is None and "vector(" in self.expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the files of one stack are, and what they say.

    Args:
        pack: its name.
        time_scale: what durations are divided by.
        rules: the alerts.
        prometheus, alertmanager: their configuration.
        intended: Alertmanager's configuration as it should be: the same, unless a bug was planted.
        external_labels: what Prometheus adds to every alert.
        player: the folder that the player plays.
        built: the pack as the daemon reads it, its durations divided.
        quiet_receivers: those that are not told that an alert is over.
        divided: the alerts whose counts were divided.
    """

    pack: str
    time_scale: float
    rules: Sequence[Rule]
    prometheus: Path
    alertmanager: Path
    intended: Path
    external_labels: Mapping[str, str]
    player: Path
    built: Path
    quiet_receivers: frozenset[str]
    divided: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts of a stack listen, each ``host:port``; of the recorder its URL."""

    player: str
    alertmanager: str
    recorder: str


def lay_out(pack: Path, folder: Path, addresses: Addresses, time_scale: float, plant: Plant) -> Layout:
    """Write everything that a stack for the pack in the folder ``pack`` reads into ``folder``.

    Raises:
        ConfigError: the pack cannot be built.
    """
    folder.mkdir(parents=True)
    built = build(
        [pack],
        folder / "built",
        time_scale,
        prometheus=CONFIG / "prometheus" / "prometheus.yml",
        alertmanager=CONFIG / "alertmanager" / "alertmanager.yml",
    )
    division = Division(time_scale)
    _change_rules(built.rule_files, division, plant)
    prometheus, alertmanager = folder / "built" / "prometheus.yml", folder / "built" / "alertmanager.yml"
    own_prometheus = _load(prometheus)
    _dump(prometheus, _local_prometheus(own_prometheus, pack, addresses, plant))
    own_alertmanager = _load(alertmanager)
    recorded = _recorded(own_alertmanager, addresses.recorder)
    intended = folder / "built" / "intended.yml"
    _dump(intended, recorded)
    _dump(alertmanager, plant.routes(recorded))
    return Layout(
        pack=pack.name,
        time_scale=time_scale,
        rules=tuple(_alerts(built.rule_files)),
        prometheus=prometheus,
        alertmanager=alertmanager,
        intended=intended,
        external_labels=own_prometheus.get("global", {}).get("external_labels", {}),
        player=_player(pack, folder, plant),
        built=built.packs[0],
        quiet_receivers=frozenset(
            each["name"] for each in own_alertmanager["receivers"] if not _tells_of_the_end(each)
        ),
        divided=tuple(division.divided),
    )


def rules_of(pack: Path) -> list[Rule]:
    """Return the alerting rules of a pack, in true time."""
    return list(_alerts(sorted(pack.glob("rules/*.rules.yaml"))))


def alerts_of(pack: Path) -> list[str]:
    """Return the names of the alerts of a pack; several rules may raise one."""
    return list(dict.fromkeys(rule.name for rule in rules_of(pack)))


def _load(path: Path) -> Any:  # noqa: ANN401 -- as the file has it
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _dump(path: Path, document: object) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _change_rules(files: Sequence[Path], division: Division, plant: Plant) -> None:
    documents = {path: _load(path) for path in files}
    groups = [group for document in documents.values() for group in document["groups"]]
    division.learn([rule for group in groups for rule in group["rules"]])
    for group in groups:
        group["rules"] = plant.rules(division.divide(group["rules"]))
        if "interval" in group:
            group["interval"] = _at_least(group["interval"], LEAST_EVALUATION_SECONDS)
    for path, document in documents.items():
        _dump(path, document)


def _alerts(files: Sequence[Path]) -> Iterator[Rule]:
    rules = [rule for path in files for group in _load(path)["groups"] for rule in group["rules"]]
    windows = Windows(rules)
    for rule in (rule for rule in rules if "alert" in rule):
        yield Rule(
            name=rule["alert"],
            labels=rule.get("labels", {}),
            expr=str(rule["expr"]),
            for_seconds=_seconds(rule.get("for", "0s")),
            shows_seconds=windows.shows(str(rule["expr"])),
            longest_seconds=windows.longest(str(rule["expr"])),
        )


def _seconds(duration: object) -> float:
    return 0.0 if duration in {0, "0"} else parse_duration(str(duration))


def _at_least(duration: object, seconds: float) -> str:
    return f"{round(1000 * max(_seconds(duration), seconds))}ms"


def _local_prometheus(config: Mapping[str, Any], pack: Path, addresses: Addresses, plant: Plant) -> dict[str, Any]:
    """Scrape the player alone, once for each job of the pack."""
    jobs = _load(pack / PACK_FILE).get("jobs", {})
    own = [job for job in config["scrape_configs"] if job["job_name"] in jobs]
    scraped = [plant.scrape(_scrape(job, addresses.player)) for job in own]
    evaluation = _at_least(config["global"]["evaluation_interval"], LEAST_EVALUATION_SECONDS)
    every = _at_least(config["global"]["scrape_interval"], LEAST_SCRAPE_SECONDS)
    times = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": evaluation}
    alertmanagers = [{"static_configs": [{"targets": [addresses.alertmanager]}]}]
    return {
        **config,
        "global": {**config["global"], **times},
        "alerting": {"alertmanagers": alertmanagers},
        "scrape_configs": scraped,
    }


def _scrape(job: Mapping[str, Any], player: str) -> dict[str, Any]:
    every = _at_least(job.get("scrape_interval", "0s"), LEAST_SCRAPE_SECONDS)
    path = f"/metrics/{job['job_name']}"
    kept = {
        key: job[key] for key in ("job_name", "sample_limit", "honor_labels", "metric_relabel_configs") if key in job
    }
    times = {"scrape_interval": every, "scrape_timeout": every}
    return {**kept, **times, "metrics_path": path, "static_configs": [{"targets": [player]}]}


def _recorded(config: Mapping[str, Any], recorder: str) -> dict[str, Any]:
    """Lead every receiver to the recorder; routes and inhibitions stay."""
    top = {key: value for key, value in config["global"].items() if key == "resolve_timeout"}
    receivers = [
        {
            "name": each["name"],
            "webhook_configs": [{"url": f"{recorder}/{each['name']}", "send_resolved": _tells_of_the_end(each)}],
        }
        for each in config["receivers"]
    ]
    return {
        **{key: value for key, value in config.items() if key != "templates"},
        "global": top,
        "receivers": receivers,
    }


def _tells_of_the_end(receiver: Mapping[str, Any]) -> bool:
    return any(
        config.get("send_resolved", TELLS_OF_THE_END.get(kind, False))
        for kind, configs in receiver.items()
        if kind.endswith("_configs")
        for config in configs
    )


def _player(pack: Path, folder: Path, plant: Plant) -> Path:
    """Put what the player reads where a planted bug can change it."""
    player = folder / "player"
    player.mkdir(parents=True)
    (player / INVENTORY_FILE).write_bytes((pack / INVENTORY_FILE).read_bytes())
    _dump(player / SCENARIOS_FILE, plant.scenarios(_load(pack / SCENARIOS_FILE)))
    return player
