"""The bodies that the Charter takes: policies as people and daemons write them, batches as machines do."""

import hashlib
from typing import Annotated

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from westworld.acts import Severity
from westworld.clock import from_wire
from westworld.problems import Refusal, fields_of

_MONTH_SECONDS = 30 * 86400.0
ShortText = Annotated[str, Field(max_length=200)]


class PolicyRequest(BaseModel):
    """One policy as it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=200)
    kind: ShortText
    scope: dict[ShortText, ShortText] = Field(min_length=1, max_length=1)
    parameters: dict[ShortText, float] = Field(default_factory=dict, max_length=16)
    ttl_seconds: float | None = Field(default=None, gt=0, le=_MONTH_SECONDS)
    reason: str = Field(default="", max_length=2000)
    source: ShortText = ""
    incident_id: ShortText = ""
    not_after: AwareDatetime | None = None
    dry_run: bool = False

    @property
    def target(self) -> str:
        """The one value of the scope."""
        return next(iter(self.scope.values()))


class FaultRequest(BaseModel):
    """One fault to inject, with the numbers that replace its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: ShortText
    parameters: dict[ShortText, float] = Field(default_factory=dict, max_length=16)


Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ReportedViolation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One violation as somebody outside detected it; severity by type where it is not given."""

    violation_type: Text
    node_or_service: Text
    id: Text | None = None
    detected_at: str | None = None
    severity: Severity | None = None
    metric_name: Text | None = None
    status: str | None = None


class ViolationBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1 to 100 violations."""

    violations: Annotated[list[ReportedViolation], msgspec.Meta(min_length=1, max_length=100)]


class Observation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric that a node wants to collect."""

    metric_name: Text
    node_or_service: Text
    value: float | None = None


class ObservationBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1 to 1000 observations."""

    observations: Annotated[list[Observation], msgspec.Meta(min_length=1, max_length=1000)]


_VIOLATIONS = msgspec.json.Decoder(ViolationBatch)
_OBSERVATIONS = msgspec.json.Decoder(ObservationBatch)


def read_policy(body: bytes) -> PolicyRequest:
    """Return the policy that a body asks for.

    Raises:
        Refusal: 422 with the fields.
    """
    try:
        return PolicyRequest.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(422, "this is not a valid policy", fields=fields_of(error)) from error


def read_fault(body: bytes) -> FaultRequest:
    """Return the fault that a body asks for; raises as :func:`read_policy`."""
    try:
        return FaultRequest.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(422, "this is not a fault to inject", fields=fields_of(error)) from error


def read_violations(body: bytes) -> list[ReportedViolation]:
    """Return the violations of a body; raises as :func:`read_policy`."""
    try:
        violations = _VIOLATIONS.decode(body).violations
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(422, f"these are not 1 to 100 violations: {error}") from error
    for index, violation in enumerate(violations):
        _detected_at(violation.detected_at, index)
    return violations


def read_observations(body: bytes) -> list[Observation]:
    """Return the observations of a body; raises as :func:`read_policy`."""
    try:
        return _OBSERVATIONS.decode(body).observations
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(422, f"these are not 1 to 1000 observations: {error}") from error


def fingerprint(body: bytes) -> str:
    """Return what tells one body from another, however their keys are ordered and spaced."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(canonical).hexdigest()


def _detected_at(text: str | None, index: int) -> float | None:
    try:
        return None if text is None else from_wire(text)
    except (ValueError, OverflowError) as error:
        raise Refusal(422, f"violations.{index}.detected_at: {error}") from error
