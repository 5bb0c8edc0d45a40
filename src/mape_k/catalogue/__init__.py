"""Pack folders, read and checked as a whole, become the immutable catalogue that the loop decides with."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

from mape_k.catalogue.convert import to_pack
from mape_k.catalogue.document import PackDocument
from mape_k.catalogue.folders import find_folder, shipped_packs
from mape_k.catalogue.pack_file import PackFile, read_pack
from mape_k.errors import ConfigError
from mape_k.model import Catalogue

__all__ = ["load_catalogue", "schema_text", "shipped_packs"]


def load_catalogue(specs: Sequence[str], *, shipped: Path | None = None) -> Catalogue:
    """Read packs.

    Args:
        specs: each the bare name of a shipped pack or the path of a folder.
        shipped: where the shipped packs are; None: those of this program.

    Raises:
        ConfigError: every problem of every pack, one line each.
    """
    files: list[PackFile] = []
    problems = [] if specs else ["no pack is named: at least one is needed"]
    for spec in specs:
        try:
            files.append(read_pack(find_folder(spec, shipped)))
        except ConfigError as error:
            problems += error.problems
    problems += _conflicts(files)
    if problems:
        raise ConfigError(problems)
    packs = {file.document.pack: to_pack(file.document) for file in files}
    return Catalogue(packs=MappingProxyType(packs), digest=_digest(files))


def _conflicts(files: Sequence[PackFile]) -> Iterator[str]:
    """Two packs of one name, or one scrape job with two intervals, could not be told apart later."""
    packs: dict[str, PackFile] = {}
    jobs: dict[str, tuple[float, PackFile]] = {}
    for file in files:
        first = packs.setdefault(file.document.pack, file)
        if first is not file:
            yield file.problem(("pack",), f"{file.document.pack} is already {first.path}; give each its own name")
        for name, job in file.document.jobs.items():
            seconds, other = jobs.setdefault(name, (job.scrape_interval, file))
            if seconds != job.scrape_interval:
                sentence = f"{job.scrape_interval:g}s here, {seconds:g}s in {other.path}; a job has one interval"
                yield file.problem(("jobs", name, "scrape_interval"), sentence)


def _digest(files: Sequence[PackFile]) -> str:
    """Return the SHA-256 of what decides; comments and layout of the files do not."""
    content = [file.document.model_dump(mode="json") for file in files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def schema_text() -> str:
    """Return the JSON Schema of ``pack.yaml`` for editors; ``config/packs/pack.schema.json`` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **PackDocument.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
