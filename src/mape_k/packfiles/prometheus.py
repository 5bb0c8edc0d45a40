"""Prometheus' configuration and the scrape jobs that a pack brings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mape_k.packfiles.alertmanager import all_texts
from mape_k.packfiles.reading import YamlFile, read_yaml_file
from mape_k.packfiles.shapes import Node

SCRAPE_FILE = "scrape.yaml"
_DEFAULT_INTERVAL = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeJob:
    """One scrape job.

    Args:
        line: where it begins.
        name: the value of the label ``job``.
        interval: seconds between two scrapes.
        settings: all its keys, as written, and the line of each.
        lines: of its keys.
    """

    line: int
    name: str
    interval: float
    settings: Mapping[str, object]
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusFile:
    """Prometheus' configuration.

    Args:
        path: of the file.
        content: its text.
        settings: what it says, as written.
        lines: of the keys on top and one below, such as ``global.scrape_interval``.
        jobs: in order.
        texts: every text outside ``external_labels``, with its line.
    """

    path: Path
    content: str
    settings: Mapping[str, object]
    lines: Mapping[str, int]
    jobs: tuple[ScrapeJob, ...]
    texts: tuple[tuple[int, str], ...]


def read_prometheus_file(path: Path) -> PrometheusFile:
    """Read Prometheus' configuration.

    Raises:
        RefusedError: everything that is wrong with its form.
    """
    return prometheus_file_of(read_yaml_file(path))


def prometheus_file_of(file: YamlFile) -> PrometheusFile:
    """Return what a YAML file says as Prometheus' configuration; a bare list counts as its scrape jobs.

    Raises:
        RefusedError: everything that is wrong with its form.
    """
    value = {"scrape_configs": file.value} if isinstance(file.value, list) else file.value
    root = Node(file, value)
    jobs_node = Node(file, file.value, (), root.refusals) if isinstance(file.value, list) else root["scrape_configs"]
    usual = root["global"]["scrape_interval"].seconds() or _DEFAULT_INTERVAL
    lines = {key: root[key].line for key in root.mapping()}
    for key, section in root.mapping().items():
        if isinstance(section, dict):
            lines |= {f"{key}.{inner}": root[key][inner].line for inner in section}
    read = PrometheusFile(
        path=file.path,
        content=file.content,
        settings=root.mapping(),
        lines=lines,
        jobs=tuple(_job(each, usual) for each in jobs_node.each()),
        texts=tuple(all_texts(jobs_node))
        + tuple(
            each for key in root.mapping() if key not in {"global", "scrape_configs"} for each in all_texts(root[key])
        ),
    )
    root.settle()
    return read


def read_scrape_jobs(folder: Path) -> tuple[ScrapeJob, ...]:
    """Return the scrape jobs of the pack in ``folder``.

    Raises:
        RefusedError: everything that is wrong with the form of its file.
    """
    path = folder / SCRAPE_FILE
    return read_prometheus_file(path).jobs if path.exists() else ()


def _job(job: Node, usual: float) -> ScrapeJob:
    settings = job.mapping()
    name = job["job_name"].text()
    if not name:
        job.refuse("job_name is missing; add it")
    return ScrapeJob(
        line=job.line,
        name=name,
        interval=job["scrape_interval"].seconds() or usual,
        settings=settings,
        lines={key: job[key].line for key in settings},
    )
