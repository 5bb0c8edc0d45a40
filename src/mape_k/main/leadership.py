"""Keeps the lease while cycles complete, and takes it over from a replica that went silent."""

from collections.abc import Callable

import structlog

from mape_k.knowledge import Lease
from mape_k.ports import Clock

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.3
"""How often a standby looks whether anybody leads: a leader that stops in order is followed within a second."""


class Leadership:
    """One daemon's part in the question who leads.

    Args:
        lease: what is held, or waited for.
        clock: the time.
        renew_seconds: between two renewals.
        patience_seconds: a daemon none of whose cycles completed for so long neither keeps the lease nor takes it.
        changed: called whenever this daemon begins to lead, with True, or no longer leads.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        clock: Clock,
        renew_seconds: float,
        patience_seconds: float,
        changed: Callable[[bool], None],
    ) -> None:
        self._lease = lease
        self._clock = clock
        self._renew_seconds = renew_seconds
        self._look_seconds = min(LOOK_SECONDS, renew_seconds / 2)
        self._patience_seconds = patience_seconds
        self._changed = changed
        self._led = lease.is_held
        self._epoch = lease.epoch
        self._completed_at = clock.monotonic()

    def cycle_completed(self) -> None:
        """Note that this daemon still does what a leader is for."""
        self._completed_at = self._clock.monotonic()

    async def keep(self) -> None:
        """Keep the lease, or wait for it, until cancelled."""
        while True:
            try:
                if self._is_working:
                    await (self._lease.renew() if self._lease.is_held else self._take_over())
            except Exception as error:  # noqa: BLE001 - whatever it was, the lease must be looked after
                log.warning("lease_not_reached", holder=self._lease.holder, error=str(error))
            self._tell()
            await self._clock.sleep(self._renew_seconds if self._lease.is_held else self._look_seconds)

    @property
    def _is_working(self) -> bool:
        return self._clock.monotonic() - self._completed_at <= self._patience_seconds

    async def _take_over(self) -> None:
        """Begin to lead when nobody else does; what this daemon held before it lost touch it may have again."""
        leader = await self._lease.leader()
        if leader is None or not leader.is_in_force or leader.holder == self._lease.holder:
            await self._lease.acquire()

    def _tell(self) -> None:
        leads, epoch = self._lease.is_held, self._lease.epoch
        if (leads, leads and epoch) != (self._led, self._led and self._epoch):
            log.warning("leads" if leads else "stands_by", replica=self._lease.holder, epoch=epoch)
            self._changed(leads)
        self._led, self._epoch = leads, epoch
