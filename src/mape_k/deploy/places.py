"""What is written into which server's folder, and how that is checked before the server sees it."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from mape_k.catalogue.folders import shipped
from mape_k.deploy.versions import FOLDER, PREVIOUS, begin, candidate, check_free, exchange, forget_others, keep, point
from mape_k.errors import ConfigError
from mape_k.packbuild import build
from mape_k.packbuild.yaml_out import as_yaml
from mape_k.packfiles import read_text

CHECK_SECONDS = 60
OUR_TEMPLATES = "templates/*.tmpl"
_OURS = "# Made by mape-k"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What lies ready in one server's folder.

    Args:
        place: prometheus, alertmanager, grafana or loki.
        path: what the server reads.
        exchange: lets the server's next look find it; returns whether that differs from before.
        new: what is exchanged, where that is a file.
        checked_by: the program that looked at it first; empty: none was found.
    """

    place: str
    path: Path
    exchange: Callable[[], bool]
    new: Path | None = None
    checked_by: str = ""


def to_prometheus(packs: Sequence[Path], folder: Path) -> Prepared:
    """Write rule files and ``prometheus.yml``, made of ``prometheus.base.yml`` and what the packs bring."""
    base = _base(folder, "prometheus")
    version, config = _built(packs, folder, "prometheus", base)
    config["rule_files"] = [str(version.relative_to(folder) / pattern) for pattern in config["rule_files"]]
    return _configured("prometheus", folder, base, config, check=("promtool", "check", "config"))


def to_alertmanager(packs: Sequence[Path], folder: Path) -> Prepared:
    """Write templates and ``alertmanager.yml``, made of ``alertmanager.base.yml`` and what the packs bring."""
    base = _base(folder, "alertmanager")
    version, config = _built(packs, folder, "alertmanager", base)
    patterns = {**dict.fromkeys(config.get("templates") or ()), OUR_TEMPLATES: None}
    config["templates"] = [str(version.relative_to(folder) / pattern) for pattern in patterns]
    return _configured("alertmanager", folder, base, config, check=("amtool", "check-config"))


def to_grafana(packs: Sequence[Path], folder: Path) -> Prepared:
    """Write the boards of each pack to ``packs/PACK/dashboards``, where the shipped providers look."""
    _provisioned(folder)
    return _linked("grafana", folder / "packs", [(f"{p.name}/dashboards", p.glob("dashboards/*.json")) for p in packs])


def to_loki(packs: Sequence[Path], folder: Path) -> Prepared:
    """Write the rules of each pack to ``rules/fake/PACK.yaml``, where Loki's ruler looks without tenants."""
    return _linked("loki", folder / "rules", [("fake", [p / "logs" / "rules.yaml"]) for p in packs])


PLACES: Mapping[str, Callable[[Sequence[Path], Path], Prepared]] = MappingProxyType(
    {"prometheus": to_prometheus, "alertmanager": to_alertmanager, "grafana": to_grafana, "loki": to_loki}
)


def _provisioned(folder: Path) -> None:
    """Give Grafana the shipped data sources and providers where it has none of that name; people change them there."""
    source = shipped("grafana") / "provisioning"
    for path in sorted(source.rglob("*.yaml")):
        target = folder / "provisioning" / path.relative_to(source)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _base(folder: Path, server: str) -> Path:
    """Return the file that people edit; at first it is what was there before, or what is shipped."""
    base, own = folder / f"{server}.base.yml", folder / f"{server}.yml"
    if not base.exists():
        is_theirs = own.exists() and not read_text(own).startswith(_OURS)
        shutil.copy2(own if is_theirs else shipped(server) / own.name, base)
    return base


def _built(packs: Sequence[Path], folder: Path, server: str, base: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder with what the packs bring, and the configuration, which may hold secrets, apart from it."""
    versions = folder / FOLDER / server
    building = begin(versions)
    try:
        bases: dict[str, Path | None] = {"prometheus": None, "alertmanager": None, server: base}
        build(packs, building, prometheus=bases["prometheus"], alertmanager=bases["alertmanager"])
        if server == "alertmanager":
            # The packs' receivers use them, whatever the base brings.
            shutil.copytree(shipped(server) / "templates", building / "templates", dirs_exist_ok=True)
        made = building / f"{server}.yml"
        config = yaml.safe_load(made.read_text(encoding="utf-8"))
        made.unlink()
        return keep(building, versions).resolve(), config
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _configured(server: str, folder: Path, base: Path, config: Mapping[str, Any], *, check: Sequence[str]) -> Prepared:
    """Lay the configuration beside the one in use, once the server's own checker has agreed."""
    path = folder / f"{server}.yml"
    new = candidate(path, as_yaml(base.name, config), base)

    def exchanged() -> bool:
        has_changed = exchange(path, new)
        in_use = (path, path.with_name(path.name + PREVIOUS))
        forget_others(folder / FOLDER / server, [each.read_text(encoding="utf-8") for each in in_use if each.exists()])
        return has_changed

    return Prepared(place=server, path=path, exchange=exchanged, new=new, checked_by=_checked(check, new, base))


def _checked(command: Sequence[str], new: Path, base: Path) -> str:
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        answer = subprocess.run(  # noqa: S603 (a program of the server's, with a path of ours)
            [program, *command[1:], str(new)], capture_output=True, text=True, check=False, timeout=CHECK_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        new.unlink()
        took = f"{command[0]} took longer than {CHECK_SECONDS} s over what became of it"
        raise ConfigError([f"{base}: {took}; nothing was changed: try again on a quieter machine"]) from error
    if answer.returncode:
        new.unlink()
        said = " ".join((answer.stdout + answer.stderr).split())
        raise ConfigError([f"{base}: {command[0]} refuses what became of it; nothing was changed: {said}"])
    return command[0]


def _linked(place: str, link: Path, files: Sequence[tuple[str, Any]]) -> Prepared:
    check_free(link)
    versions = link.parent / FOLDER / place
    building = begin(versions)
    for below, sources in files:
        for source in (each for each in sources if each.is_file()):
            target = building / below / (f"{source.parent.parent.name}.yaml" if place == "loki" else source.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    if not any(building.iterdir()):
        building.rmdir()
        raise ConfigError([f"{place}: none of the packs has anything for it; leave out --{place}-dir"])
    version = keep(building, versions)

    def exchanged() -> bool:
        has_changed = point(link, version)
        in_use = (link, link.with_name(link.name + PREVIOUS))
        forget_others(versions, [str(each.readlink()) for each in in_use if each.is_symlink()])
        return has_changed

    return Prepared(place=place, path=link, exchange=exchanged)
