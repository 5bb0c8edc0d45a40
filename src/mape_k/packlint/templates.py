"""Templates as Prometheus and Alertmanager expand them (Go's text/template): which functions and fields they use."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_PIECE = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)*')
      | (?P<comment>/\*.*?\*/)
      | (?P<field>\$?[A-Za-z_]?\w*(?:\.[A-Za-z_]\w*)+)
      | (?P<variable>\$\w*)
      | (?P<number>[-+]?\d[\w.]*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset(
    {"if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "nil", "true", "false"}
)
_GO = frozenset(
    {"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call"}
    | {"eq", "ne", "lt", "le", "gt", "ge"}
)
OF_PROMETHEUS = _GO | frozenset(
    {"query", "first", "label", "value", "sortByLabel", "strvalue", "humanize", "humanize1024", "humanizeDuration"}
    | {"humanizePercentage", "humanizeTimestamp", "toTime", "toDuration", "now", "title", "toUpper", "toLower"}
    | {"graphLink", "tableLink", "match", "reReplaceAll", "stripPort", "stripDomain", "parseDuration", "safeHtml"}
    | {"args", "tmpl", "externalURL", "pathPrefix", "urlQueryEscape"}
)
OF_ALERTMANAGER = _GO | frozenset(
    {"title", "toUpper", "toLower", "trimSpace", "join", "match", "safeHtml", "safeUrl", "urlUnescape", "reReplaceAll"}
    | {"stringSlice", "date", "tz", "since", "humanizeDuration", "toJson", "list", "append", "dict", "now"}
)
FIELDS_OF_ALERTMANAGER = frozenset(
    {"Receiver", "Status", "Alerts", "GroupLabels", "CommonLabels", "CommonAnnotations", "ExternalURL", "Firing"}
    | {"Resolved", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint", "SortedPairs"}
    | {"Remove", "Names", "Values", "Name", "Value", "Data", "NotificationReason"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One word of an action: a function, a field (``$labels.job``), a variable (``$value``), a text or another sign."""

    kind: str
    text: str


def spans(template: str) -> Iterator[tuple[int, int]]:
    """Yield where each ``{{ … }}`` begins and ends."""
    start = template.find("{{")
    while start >= 0 and (end := template.find("}}", start)) >= 0:
        yield start, end + 2
        start = template.find("{{", end + 2)


def actions(template: str) -> Iterator[tuple[Piece, ...]]:
    """Yield what stands between each ``{{`` and ``}}``."""
    for start, end in spans(template):
        inside = template[start + 2 : end - 2].strip("- \n\t")
        pieces = (Piece(kind=found.lastgroup or "other", text=found.group()) for found in _PIECE.finditer(inside))
        yield tuple(piece for piece in pieces if not piece.text.isspace() and piece.kind != "comment")


def printed(template: str) -> Iterator[tuple[str, str]]:
    """Yield each ``{{ … }}`` that shows the value, and the text that follows it."""
    for start, end in spans(template):
        if "$value" in template[start:end]:
            after = "%" if '%%"' in template[start:end] else template[end : end + 20]
            yield template[start:end], after


def without_expansions(template: str) -> str:
    """Return the text between the ``{{ … }}``."""
    parts, after = [], 0
    for start, end in spans(template):
        parts.append(template[after:start])
        after = end
    return " ".join([*parts, template[after:]])


def functions(template: str) -> Iterator[str]:
    """Yield the functions that a template calls."""
    for pieces in actions(template):
        for piece in pieces:
            if piece.kind == "word" and piece.text not in _KEYWORDS:
                yield piece.text


def queries(template: str) -> Iterator[str]:
    """Yield the queries that a template makes and that are written out in it."""
    for pieces in actions(template):
        for function, argument in pairwise(pieces):
            if function.text == "query" and argument.kind == "text":
                yield argument.text[1:-1].replace('\\"', '"')


def fields(template: str) -> Iterator[tuple[str, ...]]:
    """Yield each field that a template reads as its steps: ``("$labels", "job")``, ``("", "CommonLabels", "team")``."""
    for pieces in actions(template):
        for piece in pieces:
            if piece.kind == "field":
                yield tuple(piece.text.split("."))


def used_labels(template: str) -> frozenset[str]:
    """Return the labels of its own alert that an annotation shows."""
    direct = {steps[1] for steps in fields(template) if steps[0] == "$labels" and len(steps) > 1}
    indexed = re.findall(r"index\s+\$labels\s+\"([^\"]+)\"", template)
    return (
        frozenset(direct)
        | frozenset(indexed)
        | (frozenset({"*"}) if re.search(r"\$labels(?![.\w])", template) else frozenset())
    )


_WITH_VALUE = re.compile(r"\{\{-?\s*with\s+\$value\s*-?\}\}(.{0,300}?)\{\{-?\s*(?:else|end)", re.DOTALL)
_DECLARED = re.compile(r"(\$\w+)\s*(?::=|,\s*(\$\w+)\s*:=)")


def _said_of_value(found: re.Match[str]) -> str:
    """Within ``with $value`` the dot is the value."""
    return re.sub(r"\{\{(-?)\s*\.\s*\|", r"{{\1 $value |", found.group(1)) + "{{ end"


def strange_variables(template: str, known: frozenset[str]) -> Iterator[str]:
    """Yield the variables that a template uses and nobody declares."""
    declared = known | {name for found in _DECLARED.finditer(template) for name in found.groups() if name}
    for pieces in actions(template):
        for piece in pieces:
            name = piece.text.partition(".")[0]
            if piece.kind in {"variable", "field"} and name.startswith("$") and name not in declared | {"$"}:
                yield name


def pipes_of_value(template: str) -> Iterator[str]:
    """Yield the last function of each ``{{ $value | f }}`` and ``{{ f $value }}``; without one an empty text."""
    for pieces in actions(_WITH_VALUE.sub(_said_of_value, template)):
        if any(piece.text in {"$value", ".Value"} for piece in pieces):
            yield next((piece.text for piece in reversed(pieces) if piece.kind == "word"), "")


def broken(template: str) -> str:
    """Return what keeps a template from being expanded at all; empty: nothing was found."""
    if template.count("{{") != template.count("}}"):
        return "{{ and }} do not pair up"
    opened = 0
    for pieces in actions(template):
        first = pieces[0].text if pieces else ""
        opened += first in {"if", "range", "with", "define", "block"}
        opened -= first == "end"
        if opened < 0:
            return "an end too many"
    return "an end is missing" if opened else ""
