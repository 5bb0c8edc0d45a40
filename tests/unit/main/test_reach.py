"""Whether the servers that packs act through are configured."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from mape_k.errors import ConfigError
from mape_k.main.reach import catalogue_for, missing_servers
from mape_k.main.trial import check
from mape_k.settings import Settings, load_settings

MINIMAL = yaml.safe_load((Path(__file__).parents[2] / "packs" / "minimal" / "pack.yaml").read_text())
UNDO = {"path": "/off", "server": "desk"}


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A check configures the log of the whole process; the next test gets it as this one did."""
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    worker = MINIMAL["remediations"]["add_worker"] | {"effector": "http", "compensation": UNDO}
    worker["request"] = {"server": "queue", "path": "/on"}
    del worker["policy"]
    document = MINIMAL | {"servers": {"queue": {}, "desk": {}}, "remediations": {"add_worker": worker}}
    (tmp_path / "pack.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return tmp_path


def settings(pack: Path, mode: str, servers: str = "") -> Settings:
    given = {"HOME": "/home/someone", "MAPE_K_PACKS": str(pack), "MAPE_K_MODE": mode, "MAPE_K_HTTP_SERVERS": servers}
    return load_settings(given)


@pytest.mark.parametrize("mode", ["approve", "enforce"])
def test_a_pack_that_would_act_through_a_server_that_nobody_configured_is_refused(pack: Path, mode: str):
    with pytest.raises(ConfigError) as refused:
        catalogue_for(settings(pack, mode, "queue=http://h"))
    (told,) = refused.value.problems
    assert told.startswith("pack minimal: remediations.add_worker: acts through the server desk, which MAPE_K_HTTP_")
    assert "add desk=http://HOST[:PORT] to it" in told


def test_where_nothing_is_sent_servers_may_be_missing(pack: Path):
    shadow = settings(pack, "shadow")
    assert len(list(missing_servers(catalogue_for(shadow), shadow))) == 2


def test_with_all_its_servers_a_pack_is_taken(pack: Path):
    assert catalogue_for(settings(pack, "enforce", "queue=http://h,desk=http://i")).packs


def test_what_only_the_charter_is_asked_for_needs_no_server():
    given = load_settings({"HOME": "/home/someone", "MAPE_K_MODE": "enforce"})
    assert catalogue_for(given).needs_charter


@pytest.mark.parametrize(("mode", "is_good"), [("shadow", True), ("enforce", False)])
def test_a_check_tells_of_servers_that_are_missing(pack: Path, mode: str, is_good: bool):
    told = [each for each in check(settings(pack, mode), connect=False) if each.what == "servers of packs"]
    assert [each.is_good for each in told] == [is_good, is_good]
    assert all("MAPE_K_HTTP_SERVERS" in each.detail for each in told)
