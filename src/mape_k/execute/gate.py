"""The one door to the other side: every request passes it, and it keeps shut when nothing may be sent."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from mape_k.errors import FencedError, TransientError
from mape_k.execute.parts import traceparent
from mape_k.model import Execution, PolicyRequest, Reason
from mape_k.ports import Applied, Clock, EffectorOf


class Gate:
    """Sends, and remembers when somebody else is in charge or one of those who are asked wants to be left alone.

    Args:
        effector_of: who takes a request.
        clock: the time.
        request_timeout_seconds: what one request may take.
        leads: whether this daemon may act, asked right before each request.
        left_alone: the servers that failed so often that they are not asked for a while.
    """

    def __init__(
        self,
        effector_of: EffectorOf,
        clock: Clock,
        request_timeout_seconds: float,
        leads: Callable[[], bool] = lambda: True,
        left_alone: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._effector_of = effector_of
        self._clock = clock
        self._timeout = request_timeout_seconds
        self._leads = leads
        self._left_alone = left_alone
        self._waits_until: dict[str, float] = {}
        self.is_fenced = False
        self.fenced_by: int | None = None

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be sent at the moment; None: it may."""
        if not self._leads():
            return Reason.STANDBY
        return Reason.FENCED if self.is_fenced else None

    @property
    def held(self) -> Mapping[str, Reason]:
        """By server: why nothing may be sent there at the moment."""
        now = self._clock.monotonic()
        waits = {server: Reason.ASKED_TO_WAIT for server, until in self._waits_until.items() if now < until}
        return waits | dict.fromkeys(self._left_alone(), Reason.CIRCUIT_OPEN)

    def hold_on(self, execution: Execution) -> Reason | None:
        """Return why one of those who are asked for an execution is left alone at the moment; None: nobody is."""
        return next((why for server, why in self.held.items() if server in execution.servers), None)

    def is_idempotent(self, *requests: PolicyRequest) -> bool:
        """Whether the same key sent twice is known to have one effect, for each of these requests."""
        return all(self._effector_of(request).is_idempotent for request in requests)

    async def apply(self, execution: Execution, *, key: str, request: PolicyRequest) -> Applied:
        """Put a policy in force; raises as :meth:`mape_k.ports.Effector.apply`."""
        with self._heeding(request):
            return await self._effector_of(request).apply(
                request,
                key=key,
                epoch=execution.epoch,
                traceparent=traceparent(execution),
                timeout_seconds=self._timeout,
            )

    async def roll_back(self, execution: Execution, policy_id: str | None, undo: PolicyRequest, *, key: str) -> bool:
        """Undo a policy; returns and raises as :meth:`mape_k.ports.Effector.roll_back`."""
        with self._heeding(undo):
            return await self._effector_of(undo).roll_back(
                policy_id,
                undo,
                key=key,
                epoch=execution.epoch,
                traceparent=traceparent(execution),
                timeout_seconds=self._timeout,
            )

    async def is_in_force(self, request: PolicyRequest, policy_id: str) -> bool | None:
        """Return whether what a request did is said to be in force; None where nobody can tell. Raises as a query."""
        with self._heeding(request):
            return await self._effector_of(request).is_in_force(policy_id, timeout_seconds=self._timeout)

    @contextmanager
    def _heeding(self, request: PolicyRequest) -> Iterator[None]:
        """Remember when the other side says that somebody else is in charge, or how long it wants to be left alone."""
        if not self._leads():
            raise FencedError(Reason.STANDBY.sentence)
        try:
            yield
        except TransientError as error:
            until = self._clock.monotonic() + (error.retry_after_seconds or 0.0)
            self._waits_until[request.server] = max(until, self._waits_until.get(request.server, until))
            raise
        except FencedError as error:
            self.is_fenced, self.fenced_by = True, error.current_epoch
            raise

    def open_again(self) -> None:
        """Forget that somebody else was in charge: this daemon has an epoch of its own again."""
        self.is_fenced, self.fenced_by = False, None
