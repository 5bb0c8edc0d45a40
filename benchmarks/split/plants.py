# ruff: noqa: SLF001 - where a bug goes in there is no door
"""Bugs that a split must not hide, each put into the running replica and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from integration import charter_client
from mape_k.knowledge import lease
from mape_k.knowledge.lease import Leader, Lease
from mape_k.main.leadership import Leadership


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug: what it does, in words, and how it gets in, given by how much the clock of this replica is off."""

    meaning: str
    plant: Callable[[float], None]


def _no_fence(_skew: float) -> None:
    headers = charter_client._headers
    charter_client._headers = lambda *told: {k: v for k, v in headers(*told).items() if k != "X-Fencing-Token"}


def _no_self_fence(_skew: float) -> None:
    Lease.is_held = property(lambda self: self._held_until > 0.0)


def _renewal_without_cycles(_skew: float) -> None:
    Leadership._is_working = True


def _epoch_not_raised(_skew: float) -> None:
    begin_epoch = Lease._begin_epoch

    def begin(self: Lease, connection: Connection, epoch: int, *told: Any) -> Any:  # noqa: ANN401
        return begin_epoch(self, connection, max(1, epoch - 1), *told)

    Lease._begin_epoch = begin


def _lease_by_own_clock(skew: float) -> None:
    lease._now = lambda _connection, own: own + timedelta(seconds=skew)


def _lease_not_released(_skew: float) -> None:
    async def release(self: Lease) -> None:
        self.give_up()

    Lease.release = release


def _lease_not_respected(_skew: float) -> None:
    read = lease.read_leader

    def read_leader(connection: Connection, now: datetime) -> Leader | None:
        leader = read(connection, now)
        return leader and Leader(holder=leader.holder, epoch=leader.epoch, is_in_force=False)

    lease.read_leader = read_leader


PLANTS: Mapping[str, Plant] = {
    "no-fence": Plant("no fencing token is sent", _no_fence),
    "no-self-fence": Plant("a leader that cannot renew goes on", _no_self_fence),
    "renewal-without-cycles": Plant("a leader renews although none of its cycles completes", _renewal_without_cycles),
    "epoch-not-raised": Plant("who begins to lead stays in the epoch of the one before", _epoch_not_raised),
    "lease-by-own-clock": Plant("each replica tells leases by its own clock", _lease_by_own_clock),
    "lease-not-released": Plant("a leader that stops keeps its lease", _lease_not_released),
    "lease-not-respected": Plant("a lease in force is taken all the same", _lease_not_respected),
}
