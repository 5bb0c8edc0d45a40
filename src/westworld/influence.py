"""What acts upon the world from outside: a policy in force, or a fault."""

from collections.abc import Mapping
from dataclasses import dataclass

from westworld.acts import Act
from westworld.quantities import Change
from westworld.worldfile import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """Changes while it lasts, and acts at its beginning.

    Args:
        influence_id: the policy's id or the fault's name; the world only tells one from the other by it.
        starts_at: Unix seconds; before, nothing happens.
        changes: to the quantities.
        acts: carried out once.
        is_remedy: remedies change what causes left, whichever came first.
    """

    influence_id: str
    starts_at: float
    changes: tuple[Change, ...] = ()
    acts: tuple[Act, ...] = ()
    is_remedy: bool = False


def influence(
    influence_id: str, effect: Effect, *, began_at: float, parameters: Mapping[str, float], target: str | None = None
) -> Influence:
    """Return what an effect of the world file means for the numbers of one request; only policies have a target."""
    return Influence(
        influence_id=influence_id,
        starts_at=began_at + effect.delay_seconds,
        changes=tuple(change.resolve(target or "", parameters) for change in effect.changes),
        acts=effect.acts,
        is_remedy=target is not None,
    )


def in_world_time(parameters: Mapping[str, float], time_scale: float) -> dict[str, float]:
    """Return the parameters of a fault with their durations, which are true ones, divided like the world's."""
    return {name: number / time_scale if name.endswith("_seconds") else number for name, number in parameters.items()}
