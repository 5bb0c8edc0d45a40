"""Faults as a trial injects them: causes of the world file, remembered until they are taken back."""

from collections.abc import Mapping
from typing import Any

from westworld import store as keep
from westworld.clock import Clock, to_wire
from westworld.influence import in_world_time, influence
from westworld.problems import Refusal
from westworld.requests import FaultRequest
from westworld.store import Store
from westworld.world import World
from westworld.worldfile import Fault


class Faults:
    """The faults of one world, and which of them are there.

    Args:
        known: by name, durations already scaled.
        there: those that an earlier run left: since when (Unix seconds), and with which numbers.
        world: which they befall.
        time_scale: divides the durations among the numbers of a request.
    """

    def __init__(
        self,
        known: Mapping[str, Fault],
        there: Mapping[str, tuple[float, Mapping[str, float]]],
        *,
        world: World,
        store: Store,
        clock: Clock,
        time_scale: float,
    ) -> None:
        self._known = known
        self._there: dict[str, tuple[float, Mapping[str, float]]] = {}
        self._world = world
        self._store = store
        self._clock = clock
        self._time_scale = time_scale
        for name, (injected_at, parameters) in there.items():
            if name in known:
                self._befall(name, injected_at, parameters)

    def all(self) -> list[dict[str, Any]]:
        """Return every fault of the world file."""
        return [self.one(name) for name in self._known]

    def one(self, name: str) -> dict[str, Any]:
        """Return one fault of the world file, and since when it is there."""
        fault = self._known[name]
        there = self._there.get(name)
        return {
            "name": name,
            "title": fault.title,
            "raises": fault.raises,
            "consequences": list(fault.consequences),
            "wave": fault.wave,
            "parameters": fault.parameters | dict(there[1] if there else {}),
            "active": there is not None,
            "injected_at": to_wire(there[0]) if there else None,
        }

    async def inject(self, request: FaultRequest) -> dict[str, Any]:
        """Let a fault befall the world, durably; one that is there already stays as it is.

        Raises:
            Refusal: 404 for an unknown fault, 422 for a number that it does not take.
        """
        fault = self._known.get(request.name)
        if fault is None:
            raise Refusal(404, f"this world has no fault {request.name!r}; it has {', '.join(sorted(self._known))}")
        if unknown := set(request.parameters) - set(fault.parameters):
            taken = ", ".join(fault.parameters) or "none"
            raise Refusal(422, "no such parameter", fields={f"parameters.{n}": f"it takes: {taken}" for n in unknown})
        if request.name not in self._there:
            now = self._clock.now()
            await self._store.write(lambda c: keep.save_fault(c, request.name, now, request.parameters))
            self._befall(request.name, now, request.parameters)
        return self.one(request.name)

    async def take_back(self, name: str) -> None:
        """End a fault; what it broke stays broken until it is repaired.

        Raises:
            Refusal: 404, it is not there.
        """
        if name not in self._there:
            raise Refusal(404, f"the fault {name!r} is not there")
        await self._store.write(lambda c: keep.forget_fault(c, name))
        self._there.pop(name, None)
        self._world.remove(name)

    def _befall(self, name: str, at: float, parameters: Mapping[str, float]) -> None:
        self._there[name] = (at, parameters)
        numbers = in_world_time(parameters, self._time_scale)
        self._world.add(influence(name, self._known[name], began_at=at, parameters=numbers))
