"""Who must hear of an alert, as amtool and the pack's own table say."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mape_k.demo.stack import find_tool

TABLE = Path("alertmanager") / "routes.test.yaml"


class Routing:
    """Answers who hears of what.

    Args:
        config: Alertmanager's configuration as it is meant.
    """

    def __init__(self, config: Path) -> None:
        self._config = config
        self._known: dict[tuple[tuple[str, str], ...], frozenset[str]] = {}

    async def receivers(self, labels: Mapping[str, str]) -> frozenset[str]:
        """Return the receivers of an alert with these labels.

        Raises:
            RuntimeError: amtool cannot tell.
        """
        key = tuple(sorted(labels.items()))
        if key not in self._known:
            self._known[key] = await self._asked(key)
        return self._known[key]

    async def _asked(self, labels: Sequence[tuple[str, str]]) -> frozenset[str]:
        said = [f"{name}={value}" for name, value in labels]
        command = [str(find_tool("amtool")), "config", "routes", "test", f"--config.file={self._config}", *said]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, complaint = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"amtool: {complaint.decode()}")
        return frozenset(out.decode().split()[-1].split(","))


def table_of(pack: Path) -> Mapping[str, frozenset[str]]:
    """Return who hears of which alert as the pack's own table has it; an alert that has several rows is left out."""
    path = pack / TABLE
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else []
    names = [row["alert"].get("alertname") for row in rows]
    return {
        row["alert"]["alertname"]: frozenset(row["receivers"])
        for row in rows
        if names.count(row["alert"].get("alertname")) == 1
    }
