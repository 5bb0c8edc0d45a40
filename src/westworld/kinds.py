"""The kinds of policies that the Charter takes: where each may point and what undoes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number that a policy may carry, with its closed range."""

    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of policy.

    Args:
        name: on the wire.
        label: the one key of its scope.
        target: the only value that the scope may have; None: any name.
        undone_by: the kind that ends it early; None: it acts once and leaves nothing in force.
        undoes: set on the kinds that end another.
        parameters: those that it takes, all optional.
    """

    name: str
    label: str = "node_or_service"
    target: str | None = None
    undone_by: str | None = None
    undoes: str | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def is_once(self) -> bool:
        """Whether it acts once instead of staying in force."""
        return self.undone_by is None


_COUNT = Parameter(minimum=1, maximum=64)
_FORWARD = (
    Kind(name="rate_limit_source", undone_by="lift_rate_limit"),
    Kind(name="block_source", undone_by="unblock_source"),
    Kind(name="quarantine_node", undone_by="release_node"),
    Kind(name="reload_policy", target="policy"),
    Kind(name="rollback_policy", target="policy"),
    Kind(name="pin_policy_version", target="policy", undone_by="unpin_policy_version"),
    Kind(
        name="limit_reload_interval",
        target="policy",
        undone_by="lift_reload_interval",
        parameters={"minimum_seconds": Parameter(minimum=1, maximum=7 * 86400)},
    ),
    Kind(name="end_override", target="override"),
    Kind(
        name="add_validation_capacity",
        target="validation",
        undone_by="remove_validation_capacity",
        parameters={"servers": _COUNT},
    ),
    Kind(name="drop_oversized_rules", target="validation", undone_by="restore_rules"),
    Kind(name="restart_notifier", target="notifier"),
    Kind(name="failover_notifier", target="notifier", undone_by="failback_notifier"),
    Kind(name="batch_notifications", target="notifier", undone_by="unbatch_notifications"),
    Kind(
        name="add_revocation_workers",
        target="revocation",
        undone_by="remove_revocation_workers",
        parameters={"workers": _COUNT},
    ),
    Kind(name="pause_bulk_jobs", target="revocation", undone_by="resume_bulk_jobs"),
    Kind(name="hold_revocations", label="reason", undone_by="release_revocations"),
    Kind(name="prioritise_critical", target="committee", undone_by="normal_priority"),
    Kind(name="close_duplicates", target="committee"),
    Kind(
        name="add_committee_members",
        target="committee",
        undone_by="remove_committee_members",
        parameters={"members": _COUNT},
    ),
)
_UNDOING = tuple(
    Kind(name=kind.undone_by, label=kind.label, target=kind.target, undoes=kind.name)
    for kind in _FORWARD
    if kind.undone_by is not None
)

FORWARD_KINDS = tuple(kind.name for kind in _FORWARD)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (*_FORWARD, *_UNDOING)}
