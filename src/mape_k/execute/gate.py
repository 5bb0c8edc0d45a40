"""The one door to the other side: every request passes it, and it keeps shut when nothing may be sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mape_k.errors import FencedError, TransientError
from mape_k.execute.parts import traceparent
from mape_k.model import Execution, PolicyRequest, Reason
from mape_k.ports import Applied, Clock, Effector


class Gate:
    """Sends, and remembers when somebody else is in charge or the other side wants to be left alone.

    Args:
        effector: who changes the world.
        clock: the time.
        request_timeout_seconds: what one request may take.
        leads: whether this daemon may act, asked right before each request.
        is_left_alone: whether the other side failed so often that it is not asked for a while.
    """

    def __init__(
        self,
        effector: Effector,
        clock: Clock,
        request_timeout_seconds: float,
        leads: Callable[[], bool] = lambda: True,
        is_left_alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._effector = effector
        self._clock = clock
        self._timeout = request_timeout_seconds
        self._leads = leads
        self._is_left_alone = is_left_alone
        self._waits_until = 0.0
        self.is_fenced = False
        self.fenced_by: int | None = None

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be sent at the moment; None: it may."""
        if not self._leads():
            return Reason.STANDBY
        if self.is_fenced:
            return Reason.FENCED
        if self._is_left_alone():
            return Reason.CIRCUIT_OPEN
        return Reason.ASKED_TO_WAIT if self._clock.monotonic() < self._waits_until else None

    @property
    def is_idempotent(self) -> bool:
        """Whether the same key sent twice is known to have one effect."""
        return self._effector.is_idempotent

    async def apply(self, execution: Execution, *, key: str, request: PolicyRequest) -> Applied:
        """Put a policy in force; raises as :meth:`mape_k.ports.Effector.apply`."""
        with self._heeding():
            return await self._effector.apply(
                request,
                key=key,
                epoch=execution.epoch,
                traceparent=traceparent(execution),
                timeout_seconds=self._timeout,
            )

    async def roll_back(
        self, execution: Execution, policy_id: str | None, undo: PolicyRequest | None, *, key: str
    ) -> bool:
        """Undo a policy; returns and raises as :meth:`mape_k.ports.Effector.roll_back`."""
        with self._heeding():
            return await self._effector.roll_back(
                policy_id,
                undo,
                key=key,
                epoch=execution.epoch,
                traceparent=traceparent(execution),
                timeout_seconds=self._timeout,
            )

    async def is_in_force(self, policy_id: str) -> bool | None:
        """Return whether a policy is said to be in force; None where that cannot be told. Raises as a query."""
        with self._heeding():
            return await self._effector.is_in_force(policy_id, timeout_seconds=self._timeout)

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        """Remember when the other side says that somebody else is in charge, or how long it wants to be left alone."""
        if not self._leads():
            raise FencedError(Reason.STANDBY.sentence)
        try:
            yield
        except TransientError as error:
            asked_for = error.retry_after_seconds or 0.0
            self._waits_until = max(self._waits_until, self._clock.monotonic() + asked_for)
            raise
        except FencedError as error:
            self.is_fenced, self.fenced_by = True, error.current_epoch
            raise

    def open_again(self) -> None:
        """Forget that somebody else was in charge: this daemon has an epoch of its own again."""
        self.is_fenced, self.fenced_by = False, None
