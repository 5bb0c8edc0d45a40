"""Whether the checks find the faults of the corpus, each under its own name, and say nothing where nothing is wrong."""

import sys
from collections.abc import Mapping
from pathlib import Path

from frame.figures import Limit, Measured, run
from lint.corpus import Case, cases
from mape_k.catalogue import shipped_packs
from mape_k.packlint import CHECKS, check_pack

KINDS = 25


async def measure(_scratch: Path, _is_quick: bool) -> Measured:
    """Look at every case of the corpus, and at all packs that are shipped."""
    every = cases()
    caught = [case for case in every if case.is_caught()]
    of_corpus = {case.name: len(case.false_complaints()) for case in every}
    of_packs = _of_packs()
    figures = {
        "bad": len(every),
        "caught": len(caught),
        "kinds": len({case.kind for case in caught} & set(range(1, KINDS + 1))),
        "false_complaints": sum(of_corpus.values()) + sum(of_packs.values()),
    }
    return Measured(figures=figures, conditions=_conditions(every, caught, of_packs))


def _of_packs() -> Mapping[str, int]:
    reports = {name: check_pack(folder) for name, folder in shipped_packs().items()}
    return {name: len(report.complaints) + len(report.refusals) for name, report in reports.items()}


def _conditions(every: list[Case], caught: list[Case], of_packs: Mapping[str, int]) -> Mapping[str, object]:
    missed = sorted({case.name for case in every} - {case.name for case in caught})
    return {"checks": len(CHECKS), "correct_forms": len(every), "packs": dict(of_packs), "missed": missed}


def main() -> int:
    """Run the benchmark."""
    bad = len(cases())
    limits = {
        "bad": Limit(at_least=KINDS),
        "caught": Limit(at_least=bad),
        "kinds": Limit(at_least=KINDS),
        "false_complaints": Limit(at_most=0),
    }
    return run(__doc__, limits, measure, quick="nothing: it takes seconds anyway")


if __name__ == "__main__":
    sys.exit(main())
