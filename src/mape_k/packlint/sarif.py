"""Complaints as SARIF 2.1.0, the form that CI systems show beside the changed lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mape_k.packfiles import Refusal
from mape_k.packlint.model import CHECKS, Complaint, Severity
from mape_k.packlint.run import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
UNREADABLE = "unusable-file"


def sarif(report: Report, version: str, folder: Path) -> Mapping[str, Any]:
    """Return a report as a SARIF log.

    Args:
        report: what was found.
        version: of this program.
        folder: paths below it are written relative to it.
    """
    names = [*CHECKS, UNREADABLE]
    results = [_of_refusal(each, names, folder) for each in report.refusals]
    results += [_of_complaint(each, names, folder) for each in report.complaints]
    driver = {"name": "mape-k pack check", "version": version, "rules": _rules()}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rules() -> Sequence[Mapping[str, Any]]:
    rules = [_rule(each.name, each.explanation, each.remedy, each.severity) for each in CHECKS.values()]
    refused = "A file that cannot be read is not checked."
    return [*rules, _rule(UNREADABLE, refused, "mend the file", Severity.ERROR)]


def _rule(name: str, explanation: str, remedy: str, severity: Severity) -> Mapping[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": explanation},
        "help": {"text": remedy},
        "defaultConfiguration": {"level": severity.value},
    }


def _of_complaint(each: Complaint, names: Sequence[str], folder: Path) -> Mapping[str, Any]:
    text = f"{each.where}: {each.message}; {each.remedy}"
    return _result(each.check, names, each.severity, text, _location(each.path, each.line, folder))


def _of_refusal(each: Refusal, names: Sequence[str], folder: Path) -> Mapping[str, Any]:
    text = ": ".join(filter(None, (each.key, each.sentence)))
    return _result(UNREADABLE, names, Severity.ERROR, text, _location(each.path, each.line, folder))


def _result(
    name: str, names: Sequence[str], severity: Severity, text: str, location: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "ruleId": name,
        "ruleIndex": names.index(name),
        "level": severity.value,
        "message": {"text": text},
        "locations": [location],
    }


def _location(path: Path, line: int, folder: Path) -> Mapping[str, Any]:
    absolute = path.absolute()
    inside = absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else None
    uri = quote(inside) if inside else absolute.as_uri()
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": max(line, 1)}}}
