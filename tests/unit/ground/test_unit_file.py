"""The systemd unit: systemd accepts it, it is closed, and its times fit the daemon's own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mape_k.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "systemd" / "mape-k.service"
EXPOSURE_AT_MOST = 1.2
STORE_CLOSES_WITHIN_SECONDS = 10.0


def directives(text: str) -> dict[str, list[str]]:
    """Return every directive with its values in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"STATE_DIRECTORY": str(tmp_path)})


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    return directives(UNIT.read_text())


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; no running systemd is needed, but a container may have none at all."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("this machine has no systemd; what the unit says is held by the other tests")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    installed = tmp_path / UNIT.name
    installed.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))

    done = analyze("verify", "--man=no", installed)

    assert done.returncode == 0, done.stderr
    assert UNIT.name not in done.stderr


def test_systemd_would_have_told_a_misspelled_directive(tmp_path: Path) -> None:
    misspelled = tmp_path / UNIT.name
    misspelled.write_text(UNIT.read_text().replace("ProtectClock=", "ProtectClocks="))

    assert "ProtectClocks" in analyze("verify", "--man=no", misspelled).stderr


def test_its_exposure_is_among_the_lowest() -> None:
    done = analyze("security", "--offline=true", UNIT)

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= EXPOSURE_AT_MOST


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("ExecStart", "/opt/mape-k/bin/mape-k run"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("EnvironmentFile", "-/etc/mape-k/mape-k.env"),
        ("StateDirectory", "mape-k"),
        ("ConfigurationDirectory", "mape-k"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("MemoryDenyWriteExecute", "yes"),
        ("IPAddressDeny", "any"),
        ("IPAddressAllow", "localhost"),
        ("DynamicUser", "yes"),
        ("PrivateUsers", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("ProtectHome", "yes"),
        ("ProtectProc", "invisible"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectClock", "yes"),
        ("ProtectHostname", "yes"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("RestrictNamespaces", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("LockPersonality", "yes"),
        ("SystemCallArchitectures", "native"),
        ("UMask", "0077"),
    ],
)
def test_it_says_once_how_the_daemon_runs_and_what_is_closed_to_it(
    unit: dict[str, list[str]], name: str, value: str
) -> None:
    assert unit[name] == [value]


def test_the_watchdog_waits_for_more_than_two_cycles(unit: dict[str, list[str]], settings: Settings) -> None:
    assert float(unit["WatchdogSec"][0]) > 2 * settings.interval


def test_the_daemon_itself_accepts_the_watchdog_of_the_unit(unit: dict[str, list[str]], tmp_path: Path) -> None:
    seconds = int(unit["WatchdogSec"][0])

    settings = load_settings({"STATE_DIRECTORY": str(tmp_path), "WATCHDOG_USEC": str(seconds * 1_000_000)})

    assert settings.watchdog_seconds == seconds


def test_a_stop_leaves_time_for_the_longest_drain(unit: dict[str, list[str]], settings: Settings) -> None:
    longest = settings.cycle_budget + settings.execute_budget + STORE_CLOSES_WITHIN_SECONDS

    assert float(unit["TimeoutStopSec"][0]) > longest


def test_a_start_that_keeps_failing_is_given_up(unit: dict[str, list[str]]) -> None:
    tries = int(unit["StartLimitBurst"][0])

    assert tries * float(unit["RestartSec"][0]) < float(unit["StartLimitIntervalSec"][0])


def test_every_secret_it_offers_is_one_that_the_daemon_reads() -> None:
    offered = re.findall(r"^#Environment=(MAPE_K_\w+)=%d/([\w-]+)", UNIT.read_text(), re.MULTILINE)
    credentials = re.findall(r"^#LoadCredential=([\w-]+):", UNIT.read_text(), re.MULTILINE)

    assert [credential for _, credential in offered] == credentials
    assert all(f"{variable}=" in (ROOT / "config" / "mape-k.env").read_text() for variable, _ in offered)
