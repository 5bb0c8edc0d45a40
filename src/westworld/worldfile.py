"""The world file: the causes of a world, what each policy does to them, and the faults that can befall it.

A name that ends in ``_seconds`` is a duration and is divided by the time scale; a rate ends in ``_per_second``, a
latency in ``_ms`` or ``_ns``, and neither is ever scaled.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from westworld import strict_yaml
from westworld.acts import Act, Name, Strict
from westworld.kinds import FORWARD_KINDS, KINDS
from westworld.problems import InvalidFile, explain
from westworld.quantities import OPERATIONS, Change, Operation, as_part, matches
from westworld.vocabulary import FORBIDDEN_METRICS, REVOCATION_REASONS, VIOLATION_TYPES

Rate = Annotated[float, Field(ge=0, le=1e6)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
Whole = Annotated[int, Field(ge=1, le=10_000)]
FlagValue = Annotated[int, Field(ge=0, le=1)]
ForwardKind = Literal[FORWARD_KINDS]  # type: ignore[valid-type] # the closed list is written once
ViolationType = Literal[VIOLATION_TYPES]  # type: ignore[valid-type]
Reason = Literal[REVOCATION_REASONS]  # type: ignore[valid-type]
ForbiddenMetric = Literal[FORBIDDEN_METRICS]  # type: ignore[valid-type]
_MAX_BYTES = 1_000_000


class Source(Strict):
    """One node or service: how often it reaches for forbidden metrics, and how often it violates, per second."""

    attempts: dict[ForbiddenMetric, Rate] = Field(default_factory=dict)
    violations: dict[ViolationType, Rate] = Field(default_factory=dict)


class Validation(Strict):
    """The validators: servers in front of one queue; a check costs ``service_ns`` plus ``ns_per_rule`` a rule.

    Of the ``checks_per_second``, ``timed_per_second`` are timed.
    """

    checks_per_second: Rate
    timed_per_second: Annotated[float, Field(ge=1, le=1000)]
    servers: Whole
    service_ns: Positive
    rules: Whole
    ns_per_rule: Rate


class Notifier(Strict):
    """The notifier: so many sends at once over the primary or the backup channel; routine notices flow always."""

    senders: Whole
    primary_ms: Positive
    backup_ms: Positive
    on_backup: FlagValue = 0
    batch_size: Whole = 1
    routine_per_second: Rate


class Committee(Strict):
    """The audit committee: members close cases one by one, triage closes the mild ones within ``triage_ms``."""

    members: Whole
    cases_per_member_second: Rate
    critical_first: FlagValue = 0
    triage_ms: Positive
    report_ms: Positive


class Revocations(Strict):
    """Data revocations by reason; drills keep the path measured while nobody revokes."""

    per_second: dict[Reason, Rate]
    drills_per_second: Rate
    workers: Whole
    service_ms: Positive


class BulkJobs(Strict):
    """Bulk jobs beside the revocations: each running one slows a revocation down and takes workers away.

    The service time of a revocation is multiplied by 1 + running × slowdown.
    """

    running: Rate = 0
    slowdown: Rate
    workers_each: Rate


class Publisher(Strict):
    """Who publishes the policy document, how often it is loaded, and how long a load takes."""

    interval_seconds: Positive
    load_ms: Positive


class FromParameter(Strict):
    """A number taken from the request, else the default."""

    parameter: Name
    default: float


class ChangeSpec(Strict):
    """One change to the quantities that ``quantity`` names; exactly one operation.

    ``$target`` stands for the target of the policy, ``*`` for any one part of a name.
    """

    quantity: str
    set: float | FromParameter | None = None
    add: float | FromParameter | None = None
    multiply: float | FromParameter | None = None
    at_most: float | FromParameter | None = None
    at_least: float | FromParameter | None = None

    @model_validator(mode="after")
    def _one_operation(self) -> Self:
        if sum(getattr(self, name) is not None for name in OPERATIONS) != 1:
            raise ValueError(f"name exactly one of {', '.join(OPERATIONS)}")
        return self

    @property
    def operation(self) -> Operation:
        """The one operation."""
        return next(name for name in OPERATIONS if getattr(self, name) is not None)

    @property
    def amount(self) -> float | FromParameter:
        """The operand."""
        amount: float | FromParameter = getattr(self, self.operation)
        return amount

    def resolve(self, target: str, parameters: Mapping[str, float]) -> Change:
        """Return the change for one target and the numbers of one request."""
        amount = self.amount
        if isinstance(amount, FromParameter):
            amount = parameters.get(amount.parameter, amount.default)
        return Change(
            pattern=self.quantity.replace("$target", as_part(target)), operation=self.operation, amount=float(amount)
        )


class Effect(Strict):
    """What a kind of policy, or a fault, does: changes while it is in force, and acts at its beginning."""

    delay_seconds: float = Field(default=0.0, ge=0)
    changes: tuple[ChangeSpec, ...] = Field(default=(), strict=False)
    acts: tuple[Act, ...] = Field(default=(), strict=False)

    @property
    def parameters(self) -> dict[str, float]:
        """The numbers that a request may replace, with their defaults."""
        amounts = (change.amount for change in self.changes)
        return {amount.parameter: amount.default for amount in amounts if isinstance(amount, FromParameter)}


class Fault(Effect):
    """Something that can go wrong; the program itself never looks at its name.

    Args:
        raises: the alert that it must raise.
        consequences: alerts that it may raise besides.
        wave: faults of one wave do not mask each other.
    """

    title: str = Field(max_length=200)
    raises: str
    consequences: tuple[str, ...] = Field(default=(), strict=False)
    wave: int = Field(ge=1, le=20)


class WorldFile(Strict):
    """A whole world."""

    world: Name
    seed: int = Field(ge=0)
    noise: float = Field(ge=0, le=1)
    sources: dict[Name, Source] = Field(min_length=1, max_length=50)
    validation: Validation
    notifier: Notifier
    committee: Committee
    revocations: Revocations
    bulk_jobs: BulkJobs
    publisher: Publisher
    policies: dict[ForwardKind, Effect]
    faults: dict[Name, Fault]

    @model_validator(mode="after")
    def _changes_hit_something(self) -> Self:
        known = self.quantities()
        for where, change in self._all_changes():
            pattern = change.quantity.replace("$target", "*")
            if not any(matches(pattern, name) for name in known):
                raise ValueError(f"{where}: no quantity is named {change.quantity!r}; the names are {_shape(known)}")
        return self

    @model_validator(mode="after")
    def _policies_take_their_parameters(self) -> Self:
        for kind, effect in self.policies.items():
            taken = KINDS[kind].parameters
            for name in effect.parameters:
                if name not in taken:
                    raise ValueError(
                        f"policies.{kind}: takes no parameter {name!r}; it takes {', '.join(taken) or 'none'}"
                    )
        return self

    def _all_changes(self) -> Iterator[tuple[str, ChangeSpec]]:
        for section, effects in (("policies", self.policies), ("faults", self.faults)):
            for name, effect in effects.items():
                yield from ((f"{section}.{name}", change) for change in effect.changes)

    def quantities(self) -> dict[str, float]:
        """Return every number that the equations read, by its dotted name."""
        numbers: dict[str, float] = {}
        for node, source in self.sources.items():
            attempts: Mapping[str, float] = source.attempts
            violations: Mapping[str, float] = source.violations
            numbers |= {f"sources.{node}.attempts.{m}": attempts.get(m, 0.0) for m in FORBIDDEN_METRICS}
            numbers |= {f"sources.{node}.violations.{t}": violations.get(t, 0.0) for t in VIOLATION_TYPES}
            numbers[f"sources.{node}.blocked"] = 0.0
        for section in ("validation", "notifier", "committee", "revocations", "bulk_jobs", "publisher"):
            numbers |= _flat(section, getattr(self, section).model_dump())
        return numbers

    def scaled(self, time_scale: float) -> Self:
        """Return the same world with every duration divided."""
        return self.model_validate(_divide(self.model_dump(exclude_defaults=True), time_scale), strict=False)


def load(path: Path) -> WorldFile:
    """Read a world file.

    Raises:
        InvalidFile: one line per problem: file, line, key and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile([f"{path}: cannot be read ({error}); give a readable world file"]) from error
    return parse(text, str(path))


def parse(text: str, where: str) -> WorldFile:
    """Read the text of a world file that came from ``where``; raises as :func:`load`."""
    if len(text) > _MAX_BYTES:
        raise InvalidFile([f"{where}: more than {_MAX_BYTES} characters; a world is smaller"])
    try:
        value, lines = strict_yaml.load(text)
        return WorldFile.model_validate(value)
    except strict_yaml.YamlError as error:
        raise InvalidFile([f"{where}: {error}"]) from error
    except ValidationError as error:
        raise InvalidFile(explain(error, where, lines)) from error


def schema() -> str:
    """Return the JSON Schema of a world file, as it is published beside the shipped worlds."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **WorldFile.model_json_schema()}
    return json.dumps(document, indent=2) + "\n"


def _flat(prefix: str, value: object) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {k: v for key, inner in value.items() for k, v in _flat(f"{prefix}.{key}", inner).items()}
    return {prefix: float(value)}  # type: ignore[arg-type] # the schema left numbers alone


def _shape(known: Mapping[str, float]) -> str:
    shapes = {
        ".".join(("sources", "NODE", *name.split(".")[2:])) if name.startswith("sources.") else name: None
        for name in known
    }
    return ", ".join(sorted(shapes))


def _divide(value: object, time_scale: float) -> object:
    if isinstance(value, list | tuple):
        return [_divide(item, time_scale) for item in value]
    if not isinstance(value, Mapping):
        return value
    if str(value.get("quantity", "")).endswith("_seconds") and "multiply" not in value:
        return {key: _divide_amount(item, time_scale) for key, item in value.items()}
    return {
        key: _divide_amount(item, time_scale) if key.endswith("_seconds") else _divide(item, time_scale)
        for key, item in value.items()
    }


def _divide_amount(amount: object, time_scale: float) -> object:
    if isinstance(amount, Mapping):
        return {**amount, "default": amount["default"] / time_scale}
    return amount / time_scale if isinstance(amount, int | float) else amount
