"""What is known of metrics without an inventory: from unit tests that are given beside rules, and from comments."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from mape_k.packfiles import RuleFile
from mape_k.packfiles.rule_tests import RuleTests

_MAX_COMMENT, _NEAR, _FEWEST = 500, 30, 3
_BUCKETS = re.compile(r"\bbuckets?\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])", re.IGNORECASE)
_HISTOGRAM = re.compile(r"\b([a-zA-Z_][\w]*)_bucket\b")


def buckets_in_tests(files: Iterable[RuleTests]) -> Mapping[str, float]:
    """Return the highest finite bucket of each histogram of which some test has all buckets."""
    bounds: dict[str, set[float]] = {}
    for file in files:
        for name, labels in file.series:
            if name.endswith("_bucket") and (bound := _number(labels.get("le", ""))) is not None:
                bounds.setdefault(name.removesuffix("_bucket"), set()).add(bound)
    return {name: max(found - {math.inf}) for name, found in bounds.items() if math.inf in found and len(found) > 1}


def buckets_in_comments(files: Iterable[RuleFile]) -> Mapping[str, float]:
    """Return the highest bucket of each histogram whose buckets a text lists: ``# buckets of x: 0.1, 0.5, 1``."""
    return {name: highest for file in files for name, highest in _told(file.content)}


def _told(content: str) -> Iterator[tuple[str, float]]:
    """The histogram is one that the text names, else the next one: after a comment, before an annotation."""
    lines = content.splitlines() if "bucket" in content else []
    for index, line in enumerate(lines):
        said = line[:_MAX_COMMENT]
        found = _BUCKETS.search(said)
        numbers = [float(each) for each in _NUMBER.findall(said[found.end() :])] if found else []
        if len(numbers) >= _FEWEST and numbers == sorted(numbers):
            before, after = lines[max(0, index - _NEAR) : index], lines[index + 1 : index + _MAX_COMMENT]
            nearest = [*after, *reversed(before)] if "#" in line else [*reversed(before), *after]
            used = dict.fromkeys(_HISTOGRAM.findall("\n".join(nearest)))
            names = [name for name in used if name in said] or list(used)[:1]
            yield from ((name, numbers[-1]) for name in names)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def values_in_tests(files: Iterable[RuleTests]) -> Mapping[tuple[str, str], frozenset[str]]:
    """Return the values of each label of each series that the tests give, by series and label."""
    values: dict[tuple[str, str], set[str]] = {}
    for file in files:
        for name, labels in file.series:
            for label, value in labels.items():
                values.setdefault((name, label), set()).add(value)
    return {key: frozenset(found) for key, found in values.items()}
