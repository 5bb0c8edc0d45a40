"""What can happen to the world at one moment, as a world file writes it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from westworld.vocabulary import INITIATORS, SEVERITIES, VIOLATION_TYPES

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Severity = Literal[SEVERITIES]  # type: ignore[valid-type] # the closed list is written once
ViolationType = Literal[VIOLATION_TYPES]  # type: ignore[valid-type]
Initiator = Literal[INITIATORS]  # type: ignore[valid-type]


class Strict(BaseModel):
    """A part of a file that people write: unknown keys are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ReloadPolicy(Strict):
    """The loader reads the newest published document; when it does not validate, nothing changes."""

    act: Literal["reload_policy"]


class RollBackPolicy(Strict):
    """The last good document is published again and loaded."""

    act: Literal["roll_back_policy"]


class RestoreSnapshot(Strict):
    """The service comes back from an old snapshot: its last load lies this far back."""

    act: Literal["restore_snapshot"]
    age_seconds: float = Field(gt=0)


class PublishDefect(Strict):
    """From now on the published document lacks this section, so that it does not validate."""

    act: Literal["publish_defect"]
    section: Literal["whitelisted_metrics", "forbidden_metrics", "access_control", "violation_policy"]


class StartOverride(Strict):
    """Somebody activates the emergency override."""

    act: Literal["start_override"]
    reason: Name
    who: Name


class EndOverride(Strict):
    """Every active override ends."""

    act: Literal["end_override"]


class FileInvestigations(Strict):
    """Many cases reach the committee at once; this share of them repeats another one."""

    act: Literal["file_investigations"]
    count: int = Field(ge=1, le=1000)
    duplicates: float = Field(ge=0, le=1)
    severity: Severity
    violation_type: ViolationType
    initiated_by: Initiator


class CloseDuplicates(Strict):
    """Every open case that repeats another one is closed."""

    act: Literal["close_duplicates"]


class ClearBacklog(Strict):
    """What waits for the notifier is delivered as one digest."""

    act: Literal["clear_backlog"]


Act = Annotated[
    ReloadPolicy
    | RollBackPolicy
    | RestoreSnapshot
    | PublishDefect
    | StartOverride
    | EndOverride
    | FileInvestigations
    | CloseDuplicates
    | ClearBacklog,
    Field(discriminator="act"),
]
