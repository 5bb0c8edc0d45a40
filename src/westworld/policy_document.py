"""The Charter's own policy document: what may be measured, what never, who may look, and what follows a violation."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from westworld import strict_yaml
from westworld.acts import Name, Strict
from westworld.problems import InvalidFile, explain

_MAX_BYTES = 1_000_000
_LEVELS = (1, 2, 3, 4)


class Heading(Strict):
    """Which document this is."""

    name: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    effective_date: date
    status: Literal["active", "pending", "deprecated", "suspended"]


class AllowedMetric(Strict):
    """A metric that may be collected, how long it is kept and who may read it."""

    name: Name
    retention_days: int = Field(ge=1)
    access: Literal["public", "node_operator", "audit_only", "emergency"]


class ForbiddenMetric(Strict):
    """A metric that nobody may collect."""

    name: Name
    penalty: Literal["HIGH", "CRITICAL"]
    auto_shutdown: bool = False


class Role(Strict):
    """What somebody must show, and how often they may read or write."""

    requires: list[str] = Field(min_length=1)
    reads_per_hour: int | None = Field(default=None, ge=1)
    writes_per_minute: int | None = Field(default=None, ge=1)
    revoked_after_hours: int | None = Field(default=None, ge=1)


class AccessControl(Strict):
    """Who may read and who may write."""

    read: dict[Name, Role] = Field(min_length=1)
    write: dict[Name, Role] = Field(min_length=1)


class Level(Strict):
    """The response to the n-th violation within the window."""

    level: int
    response: Literal["log_and_notify", "block_and_suspend", "quarantine_node", "legal_escalation"]
    suspension_hours: int | None = Field(default=None, ge=1)
    vote: Literal["none", "dao", "board"] = "none"


class ViolationPolicy(Strict):
    """Responses by repetition."""

    window_days: int = Field(ge=1)
    levels: list[Level]

    @model_validator(mode="after")
    def _levels_in_order(self) -> Self:
        if tuple(level.level for level in self.levels) != _LEVELS:
            raise ValueError("there are exactly the levels 1, 2, 3 and 4, in this order")
        return self


class Attempts(Strict):
    """From how many attempts at one forbidden metric, within a window, an event is raised; one event per interval."""

    window_seconds: float = Field(gt=0)
    escalate_from: int = Field(ge=1)
    shutdown_from: int = Field(ge=1)
    event_interval_seconds: float = Field(gt=0)


class Enforcement(Strict):
    """How the Charter watches over itself."""

    forbidden_attempts: Attempts
    audit_trail: Literal["append_only"]


class Override(Strict):
    """Under which conditions the emergency override may be used."""

    enabled: bool
    renewal_hours: int = Field(ge=1)
    quorum_percent: int = Field(ge=1, le=100)
    post_audit: bool


class Whistleblower(Strict):
    """How reports from inside are taken."""

    anonymous: bool
    channels: list[str] = Field(min_length=1)
    answer_within_hours: int = Field(ge=1)


class Criteria(Strict):
    """What the Charter promises."""

    validated_traffic_percent: float = Field(gt=0, le=100)
    committee_informed_within_minutes: int = Field(ge=1)
    emergency_access_within_minutes: int = Field(ge=1)


class PolicyDocument(Strict):
    """One valid version of the document."""

    charter: Heading
    whitelisted_metrics: dict[Name, Annotated[list[AllowedMetric], Field(min_length=1)]] = Field(min_length=1)
    forbidden_metrics: list[ForbiddenMetric] = Field(min_length=1)
    access_control: AccessControl
    violation_policy: ViolationPolicy
    whistleblower_policy: Whistleblower
    emergency_override: Override
    enforcement: Enforcement
    success_criteria: Criteria
    changelog: list[str]

    @model_validator(mode="after")
    def _names_are_unambiguous(self) -> Self:
        names = [metric.name for group in self.whitelisted_metrics.values() for metric in group]
        names += [metric.name for metric in self.forbidden_metrics]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"listed twice, or both allowed and forbidden: {', '.join(doubled)}")
        return self

    @cached_property
    def allowed(self) -> frozenset[str]:
        """Names that may be collected."""
        return frozenset(metric.name for group in self.whitelisted_metrics.values() for metric in group)

    @cached_property
    def forbidden(self) -> frozenset[str]:
        """Names that nobody may collect."""
        return frozenset(metric.name for metric in self.forbidden_metrics)

    @cached_property
    def responses(self) -> Mapping[int, str]:
        """The response by level."""
        return {level.level: level.response for level in self.violation_policy.levels}


def parse(text: str, where: str = "the policy document", *, without: str | None = None) -> PolicyDocument:
    """Read and validate a document.

    Args:
        text: of the document.
        where: its file, for the messages.
        without: a section that this version lost.

    Raises:
        InvalidFile: one line per problem: file, line, key and remedy.
    """
    if len(text) > _MAX_BYTES:
        raise InvalidFile([f"{where}: more than {_MAX_BYTES} characters; a policy document is smaller"])
    try:
        value, lines = strict_yaml.load(text)
        if isinstance(value, dict) and without is not None:
            value.pop(without, None)
        return PolicyDocument.model_validate(value)
    except strict_yaml.YamlError as error:
        raise InvalidFile([f"{where}: {error}"]) from error
    except ValidationError as error:
        raise InvalidFile(explain(error, where, lines)) from error
