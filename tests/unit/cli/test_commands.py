import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mape_k import __version__
from mape_k.cli import cli
from mape_k.cli.group import exit_code
from mape_k.errors import ConfigError, FencedError, PermanentError, StoreError, TransientError, UncertainError

MINIMAL = Path(__file__).parents[2] / "packs" / "minimal"
NOWHERE = {
    "PROMETHEUS_URL": "http://127.0.0.1:9",
    "ALERTMANAGER_URL": "http://127.0.0.1:9",
    "CHARTER_API_URL": "http://127.0.0.1:9",
    "MAPE_K_PACKS": str(MINIMAL),
}
PROMISED = (
    "run once check demo charter status incidents actions explain approve reject feedback pause resume dlq pack "
    "knowledge"
)


def mape_k(*arguments: str, **environment: str):
    return CliRunner().invoke(cli, arguments, env=environment)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mape_k", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ)


@pytest.fixture
def state(tmp_path) -> dict[str, str]:
    return NOWHERE | {"STATE_DIRECTORY": str(tmp_path)}


def test_the_commands_are_those_promised():
    assert set(cli.commands) == set(PROMISED.split())


@pytest.mark.parametrize("command", [c for c in PROMISED.split() if c not in ("charter", "dlq", "pack", "knowledge")])
def test_every_command_explains_itself_and_prints_json(command):
    result = mape_k(command, "--help")

    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_the_version_is_told_by_a_real_process():
    result = process("--version")

    assert (result.returncode, result.stdout) == (0, f"mape-k, version {__version__}\n")


def test_the_version_is_told_without_loading_what_it_does_not_need():
    heavy = "{'aiohttp', 'pydantic', 'sqlalchemy', 'numpy', 'jinja2'}"
    program = f"import sys; import mape_k.cli; print(sorted({heavy} & set(sys.modules)))"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"


def test_the_charters_own_options_are_passed_on():
    result = process("charter", "--help")

    assert result.returncode == 0
    assert "--world" in result.stdout
    assert "--enable-faults" in result.stdout


@pytest.mark.parametrize("arguments", [["rnu"], ["run", "--fast"], ["explain"], ["actions", "--limit", "0"], ["pack"]])
def test_bad_usage_is_told_with_exit_code_2(arguments):
    assert mape_k(*arguments).exit_code == 2


def test_every_problem_of_the_settings_is_one_line():
    result = mape_k("check", MAPE_K_MOD="shadow", MAPE_K_INTERVAL="soon", LOG_LEVEL="LOUD\x1b[2J")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 3
    assert "MAPE_K_MODE" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["x"]), 2),
        (TransientError("x"), 3),
        (StoreError("x"), 3),
        (PermanentError("x"), 1),
        (UncertainError("x"), 1),
        (FencedError("x"), 1),
    ],
)
def test_the_exit_code_says_what_kind_of_failure_it_was(error, code):
    assert exit_code(error) == code


def test_check_is_content_with_what_can_be_used(state):
    result = mape_k("check", **state)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("everything is as it should be\n")


def test_check_names_every_service_that_cannot_be_reached(state):
    result = mape_k("check", "--connect", "--json", **state)

    bad = [row["what"] for row in json.loads(result.stdout)["checked"] if not row["is_good"]]
    assert result.exit_code == 3
    for name in ("prometheus", "alertmanager", "charter"):
        assert any(what.startswith(name) for what in bad)


@pytest.mark.parametrize("option", ["--test-alert", "--test-notification"])
def test_a_test_is_only_sent_when_services_are_asked(state, option):
    result = mape_k("check", option, **state)

    assert result.exit_code == 2
    assert "--connect" in result.stderr


def test_one_cycle_that_sees_nothing_says_so_and_leaves_nothing_behind(state):
    result = mape_k("once", "--dry-run", **state)

    assert result.exit_code == 3, result.stderr
    assert result.stdout.startswith("blind in ")
    assert "prometheus" in result.stdout
    assert not list(Path(state["STATE_DIRECTORY"]).iterdir())


def test_one_cycle_is_told_as_json(state):
    result = mape_k("once", "--dry-run", "--json", **state)

    report = json.loads(result.stdout)
    assert report["result"] == "blind"
    assert [timing["phase"] for timing in report["timings"]] == ["monitor", "analyze", "plan", "execute"]


def test_the_shipped_packs_are_listed():
    names = [item["pack"] for item in json.loads(mape_k("pack", "list", "--json").stdout)["items"]]

    assert {"charter", "mape-k"} <= set(names)


def test_a_sound_pack_is_counted():
    result = mape_k("pack", "check", str(MINIMAL))

    assert result.exit_code == 0
    assert "minimal" in result.stdout


def test_a_pack_that_is_not_sound_is_not_so(tmp_path):
    (tmp_path / "pack.yaml").write_text("pack: mine\ntitle: T\nsignal: {}\n")

    told = mape_k("pack", "check", str(tmp_path))
    as_json = mape_k("pack", "check", str(tmp_path), "--json")

    assert (told.exit_code, as_json.exit_code) == (1, 1)
    assert "pack.yaml:3" in told.stderr
    assert json.loads(as_json.stdout)["problems"]


def test_packs_are_built_in_another_time(tmp_path):
    result = mape_k("pack", "build", str(MINIMAL), "--out", str(tmp_path / "out"), "--time-scale", "60", "--json")

    assert result.exit_code == 0, result.stderr
    assert Path(json.loads(result.stdout)["packs"][0], "pack.yaml").is_file()


def test_a_time_scale_that_makes_no_sense_is_refused(tmp_path):
    result = mape_k("pack", "build", str(MINIMAL), "--out", str(tmp_path), "--time-scale", "0")

    assert result.exit_code == 2
    assert "time scale" in result.stderr


def test_the_faults_of_the_demo_are_listed():
    faults = json.loads(mape_k("demo", "--list", "--json").stdout)["faults"]

    assert len(faults) == 11
    assert all(fault["alert"] for fault in faults)
