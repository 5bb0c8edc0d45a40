"""The corpus: of each fault a case with files that have it and files that are as they should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mape_k.packlint import Complaint, Report, check_files

CORPUS = Path(__file__).parents[1] / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault.

    Args:
        name: of its folder.
        kind: which of the 25 kinds of fault it is an example of; 0: another one.
        check: the name of the check that must find it.
    """

    name: str
    kind: int
    check: str

    def bad(self, *, without: frozenset[str] = frozenset()) -> Report:
        """Look at the files that have the fault."""
        return check_files(self._files("bad"), without=without)

    def good(self) -> Report:
        """Look at the files that are as they should be."""
        return check_files(self._files("good"))

    def is_caught(self, *, without: frozenset[str] = frozenset()) -> bool:
        """Return whether exactly the fault is found, under exactly its name."""
        report = self.bad(without=without)
        return not report.refusals and {each.check for each in report.complaints} == {self.check}

    def false_complaints(self) -> Sequence[Complaint]:
        """Return what is said about the files that are as they should be."""
        report = self.good()
        if report.refusals:
            raise ValueError(f"{self.name}: {report.refusals[0]}")
        return report.complaints

    def _files(self, form: str) -> Sequence[Path]:
        return sorted((CORPUS / self.name / form).iterdir())


def cases() -> Sequence[Case]:
    """Return every case, by name."""
    listed: Mapping[str, Mapping[str, object]] = yaml.safe_load((CORPUS / "cases.yaml").read_text(encoding="utf-8"))
    return [Case(name=name, kind=int(str(each["kind"])), check=str(each["check"])) for name, each in listed.items()]
