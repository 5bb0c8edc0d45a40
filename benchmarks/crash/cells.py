"""The watched world of a crash run: cells that are ill until the one policy that cures them is in force.

Speaks as much of the Prometheus and the Alertmanager API as the daemon asks for, so that thousands of incidents pass in
minutes. Which policies are in force it reads from the journal of the Charter, which is the real one.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

from aiohttp import web

from mape_k.ports import Clock

LIMIT, BLOCK, BLOCK_FURTHER = "rate_limit_source", "block_source", "quarantine_node"
CURES = (LIMIT, BLOCK_FURTHER)
"""What cures a cell: one policy, or the last of two."""
ILL_AT_ONCE = 6
WELL = tuple(f"well-{number}" for number in range(ILL_AT_ONCE))
"""Cells that never fall ill, so that nobody suspects a storm."""
AILING_SECONDS = 12.0
SHOWN_AFTERWARDS_SECONDS = 20.0
PACK = """\
pack: cells
title: Cells that fall ill
jobs:
  cells: {scrape_interval: 100ms}
limits:
  max_targets: 1000
  max_share: 1.0
  settle_after_blindness: 0s
  plan_lifetime: 5s
  budgets: {remediation: 1000, target: 1000, per: 1m}
  storm: {enter: 1.0, leave: 0.99, calm: 0s}
  inventory: {drop: 1.0, within: 1m}
  flapping: {opened: 1000, per: 1m}
  outcomes: {bad: 1.0, judged: 1000, within: 1m}
  stages: {share: 1.0}
signals:
  harm: {query: 'cell_harm{job="cells"}', unit: harm, job: cells, target_label: node_or_service}
  cause: {query: 'cell_cause{job="cells"}', unit: cause, job: cells, target_label: node_or_service}
symptoms:
  ill:
    severity: critical
    alert: CellIll
    target: {label: node_or_service}
    signal: harm
    threshold: {above: 1}
    remediations: [limit, block]
remediations:
"""
REMEDIATION = """\
  %s:
    policy: {kind: %s}
    prior: {success: 0.5, weight: 1000}
    cost: 0
    verify: {all: [{signal: harm, below: 1}], samples: 1, deadline: 300ms}
    compensation: {kind: %s}
    rollback: %s
    probation: 200ms
    lifetime: {ttl: 5s, on_expiry: renew_while_needed, needed: {signal: cause, above: 1}}
    cooldown: 1ms
    attempts: {max: 1000, per: 1h}
"""
"""The prior outweighs what is learned: a wrong first choice stays as likely as a right one, and roll-backs frequent."""
THEN = f"""\
    then: [{{kind: {BLOCK_FURTHER}, compensation: {{kind: release_node}}}}]
"""


def write_pack(folder: Path, *, asks: bool) -> Path:
    """Write the pack that knows the cells, and ``asks`` a person before it undoes; return its folder."""
    pack, rollback = folder / "cells", "approve" if asks else "auto"
    pack.mkdir(parents=True)
    limit = REMEDIATION % ("limit", LIMIT, "lift_rate_limit", rollback)
    block = REMEDIATION % ("block", BLOCK, "unblock_source", "auto") + THEN
    (pack / "pack.yaml").write_text(PACK + limit + block, encoding="utf-8")
    return pack


@dataclass(slots=True)
class Cell:
    """One cell: ill from ``since`` on while its cause lasts and its ``cure`` is not in force (monotonic seconds)."""

    name: str
    cure: str
    since: float
    until: float


class Cells:
    """Keeps some cells ill at any time, each cured by one of two policies, until told to calm down.

    Args:
        journal: of the Charter's effects, as JSON lines.
        rng: draws the cures.
        clock: the time.
    """

    def __init__(self, journal: Path, rng: Random, clock: Clock) -> None:
        self._journal = journal
        self._rng = rng
        self._clock = clock
        self._read = 0
        self._in_force: dict[str, tuple[str, str]] = {}
        self._cells: dict[str, Cell] = {}
        self._is_calm = False
        self.incidents = 0

    def calm_down(self) -> None:
        """End every cause, and let no other cell fall ill."""
        self._is_calm = True
        for cell in self._cells.values():
            cell.until = min(cell.until, self._clock.monotonic())

    def app(self) -> web.Application:
        """Return the interface of both servers."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/v1/query", self._query),
                web.post("/api/v1/query", self._query),
                web.get("/api/v2/alerts", self._alerts),
                web.get("/api/v2/status", self._status),
            ]
        )
        return app

    async def _query(self, request: web.Request) -> web.Response:
        params = await request.post() if request.method == "POST" else request.query
        moment = float(str(params["time"]))
        rows = [
            {"metric": {"job": "cells", **labels}, "value": [moment, str(value)]}
            for labels, value in self._answer(str(params["query"]), moment)
        ]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": rows}})

    def _answer(self, query: str, moment: float) -> Iterator[tuple[dict[str, str], float]]:
        if query.startswith("timestamp("):
            yield {}, moment
        elif query.startswith("up{"):
            yield {}, 1.0
        else:
            cells = self._living()
            ill = self._ill(cells) if query.startswith("cell_harm") else self._caused(cells)
            names = {cell.name for cell in ill}
            yield from (({"node_or_service": name}, 0.0) for name in WELL)
            yield from (({"node_or_service": cell.name}, 10.0 * (cell.name in names)) for cell in cells)

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response({"uptime": "2026-01-01T00:00:00Z"})

    async def _alerts(self, _request: web.Request) -> web.Response:
        return web.json_response([self._alert(cell) for cell in self._ill(self._living())])

    def _alert(self, cell: Cell) -> dict[str, Any]:
        ago = self._clock.monotonic() - cell.since
        began = datetime.fromtimestamp(self._clock.now().timestamp() - ago, UTC).isoformat()
        return {
            "fingerprint": cell.name,
            "labels": {"alertname": "CellIll", "node_or_service": cell.name},
            "startsAt": began,
            "updatedAt": began,
            "status": {"silencedBy": [], "inhibitedBy": []},
        }

    def _living(self) -> list[Cell]:
        """Return the cells that are shown, after taking in what the Charter did."""
        now = self._clock.monotonic()
        for entry in self._new_entries():
            self._take_in(entry, now)
        missing = 0 if self._is_calm else ILL_AT_ONCE - len(self._caused(self._cells.values()))
        for _ in range(missing):
            self.incidents += 1
            name = f"cell-{self.incidents}"
            self._cells[name] = Cell(name, self._rng.choice(CURES), now, now + AILING_SECONDS)
        self._cells = {c.name: c for c in self._cells.values() if now < c.until + SHOWN_AFTERWARDS_SECONDS}
        return list(self._cells.values())

    def _new_entries(self) -> Iterator[dict[str, Any]]:
        if not self._journal.exists():
            return
        with self._journal.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield json.loads(line)

    def _take_in(self, entry: dict[str, Any], now: float) -> None:
        if entry["effect"] not in ("applied", "renewed"):
            self._in_force.pop(entry["policy_id"], None)
            return
        target = entry["scope"]["node_or_service"]
        if entry["kind"] in CURES:
            self._in_force[entry["policy_id"]] = (target, entry["kind"])
        if entry["effect"] == "renewed" and target in self._cells:
            cell = self._cells[target]
            cell.until = min(cell.until, now + 5.0)

    def _caused(self, cells: Iterable[Cell]) -> list[Cell]:
        now = self._clock.monotonic()
        return [cell for cell in cells if now < cell.until]

    def _ill(self, cells: Iterable[Cell]) -> list[Cell]:
        cured = set(self._in_force.values())
        return [cell for cell in self._caused(cells) if (cell.name, cell.cure) not in cured]
