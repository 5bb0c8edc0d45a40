"""Where the real Prometheus and Alertmanager are."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def find_tool(name: str) -> Path:
    """Return the program ``name`` from MAPE_K_TOOLS, ``.tools/bin`` or PATH; its absence fails the test.

    With MAPE_K_REQUIRE_REAL=0 the test is left out instead, for who cannot have the program.
    """
    folders = (os.environ.get("MAPE_K_TOOLS", ""), str(ROOT / ".tools" / "bin"), os.environ.get("PATH", os.defpath))
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    if found:
        return Path(found)
    if os.environ.get("MAPE_K_REQUIRE_REAL") == "0":
        pytest.skip(f"{name} is not here and MAPE_K_REQUIRE_REAL=0 allows that")
    pytest.fail(f"{name} is not here; bring it with: make setup test-tools")
