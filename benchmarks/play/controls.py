"""The control interface of the played system: every request has one effect, and a journal tells of it."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import unquote

from play.world import World

Answer: TypeAlias = tuple[int, dict[str, Any]]
"""A status and what is said with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request to a control.

    Args:
        path: of the request, percent-encoded as it came.
        body: as it came.
        key: its idempotency key; None: it has none.
        epoch: its fencing token; None: it has none.
    """

    path: str
    body: bytes = b""
    key: str | None = None
    epoch: int | None = None


@dataclass(slots=True, kw_only=True)
class Action:
    """What a control did."""

    action_id: str
    control: str
    target: str
    status: str = "in_force"


@dataclass(slots=True)
class Controls:
    """Takes orders.

    Args:
        world: what they have effect on.
        now: tells the time.
    """

    world: World
    now: Callable[[], datetime]
    journal: list[dict[str, Any]] = field(default_factory=list)
    actions: dict[str, Action] = field(default_factory=dict)
    epoch: int = 0
    _answers: dict[str, tuple[tuple[str, bytes], Answer]] = field(default_factory=dict)

    def take(self, order: Order) -> Answer:
        """Obey, or say why not."""
        found = next(self._find(order.path), None)
        if found is None:
            return 404, {"error": f"there is no control at {order.path}"}
        known = self._answers.get(order.key or "")
        if known is not None:
            same = known[0] == (order.path, order.body)
            return (200, known[1][1]) if same else (422, {"error": "the key belongs to another request"})
        if order.epoch is not None and order.epoch < self.epoch:
            return 412, {"error": "stale fencing token", "current_epoch": self.epoch}
        self.epoch = max(self.epoch, order.epoch or 0)
        answer = self._obey(order, *found)
        if order.key is not None:
            self._answers[order.key] = ((order.path, order.body), answer)
        return answer

    def _find(self, path: str) -> Iterator[tuple[str, str, bool]]:
        """Yield the control at a path, its target, and whether it is to be taken back."""
        for name, control in self.world.part.scenarios.controls.items():
            for template, is_undo in ((control.path, False), (control.undo, True)):
                if template and (match := _pattern(template).fullmatch(path)):
                    yield name, unquote(match.groupdict().get("target", "")), is_undo

    def _obey(self, order: Order, control: str, target: str, is_undo: bool) -> Answer:
        action_id = f"act-{secrets.token_hex(6)}"
        if is_undo:
            touched = self._undo(control, target)
            status, effect = "undone", "undone" if touched else "none"
        else:
            self.actions[action_id] = Action(action_id=action_id, control=control, target=target)
            touched = self.world.cure(control, action_id)
            status, effect = "in_force", "applied"
        self.journal.append(
            {
                "sequence": len(self.journal) + 1,
                "at": self.now().isoformat(),
                "idempotency_key": order.key,
                "epoch": order.epoch,
                "control": control,
                "target": target,
                "effect": effect,
                "action_id": action_id,
                "touched": touched,
                "body": _readable(order.body),
            }
        )
        echoed = {} if order.key is None else {"idempotency_key": order.key}
        return 200 if is_undo else 201, {"action_id": action_id, "status": status, **echoed}

    def _undo(self, control: str, target: str) -> list[str]:
        """Take back what is in force of a control on a target; return the actions."""
        undone = [
            action
            for action in self.actions.values()
            if (action.control, action.target, action.status) == (control, target, "in_force")
        ]
        for action in undone:
            action.status = "undone"
            self.world.relapse(action.action_id)
        return [action.action_id for action in undone]


def _pattern(template: str) -> "re.Pattern[str]":
    pieces = template.split("{target}")
    return re.compile("(?P<target>[^/]+)".join(map(re.escape, pieces[:2])) + "".join(map(re.escape, pieces[2:])))


def _readable(body: bytes) -> Any:  # noqa: ANN401 -- as it came
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")
