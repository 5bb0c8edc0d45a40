"""Installed under a folder, the program works there and would work at its root."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.matrix

ROOT = Path(__file__).parents[2]


def install(destination: Path) -> str:
    done = subprocess.run(
        [ROOT / "tools" / "install.sh", destination], capture_output=True, text=True, check=False, cwd=destination
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("destination")
    install(destination)
    return destination


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program away from the checkout, with nothing of it in the environment."""
    environment = {"PATH": os.defpath, "HOME": str(installed), "STATE_DIRECTORY": str(installed / "var/lib/mape-k")}
    command = [installed / "opt/mape-k/bin/mape-k", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=installed, env=environment)


def test_the_installed_program_runs(installed: Path) -> None:
    done = run(installed, "--version")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_installed_program_brings_its_packs_along(installed: Path) -> None:
    done = run(installed, "pack", "check")

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reference_charter_is_installed_with_it(installed: Path) -> None:
    assert run(installed, "charter", "--help").returncode == 0


def test_no_installed_script_or_module_names_the_folder_it_was_built_in(installed: Path) -> None:
    named = subprocess.run(["grep", "-rl", str(installed), installed], capture_output=True, text=True, check=False)

    assert named.stdout == ""


def test_everything_is_where_the_unit_expects_it(installed: Path) -> None:
    unit = installed / "usr/lib/systemd/system/mape-k.service"

    assert "ExecStart=/opt/mape-k/bin/mape-k run" in unit.read_text()
    assert (installed / "etc/mape-k/mape-k.env").stat().st_mode & 0o777 == 0o600
    assert (installed / "etc/mape-k/packs").is_dir()
    assert (installed / "var/lib/mape-k").stat().st_mode & 0o777 == 0o700


def test_installing_again_keeps_settings_and_state(installed: Path) -> None:
    settings = installed / "etc/mape-k/mape-k.env"
    settings.write_text("LOG_LEVEL=DEBUG\n")
    (installed / "var/lib/mape-k/operator.token").write_text("kept")

    said = install(installed)

    assert "keeping" in said
    assert settings.read_text() == "LOG_LEVEL=DEBUG\n"
    assert (installed / "var/lib/mape-k/operator.token").read_text() == "kept"
    assert run(installed, "--version").returncode == 0
