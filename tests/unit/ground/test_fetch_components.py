"""Bringing the components: what is linked, what is refused, and what is said when nothing can be fetched."""

import subprocess
from pathlib import Path

import pytest

from fetch_components import (
    COMPONENTS,
    FIXED_TEMPLATES,
    POSTGRESQL,
    Component,
    NotAvailableError,
    apt_options,
    fetch,
    link,
    main,
    parts,
    relocate_templates,
    write_starters,
)

TOY = Component(name="toyserver", package="toy", also_known_as=("toy-server",))


def a_program(place: Path, *, says: str = "toyserver, version 1.0", exits: int = 0) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\necho '{says}'\nexit {exits}\n")
    place.chmod(0o755)
    return place


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    return tmp_path / "path"


@pytest.mark.parametrize("name", ["toyserver", "toy-server"])
def test_what_is_on_path_is_linked_under_its_one_name(tmp_path: Path, path: Path, name: str) -> None:
    program = a_program(path / name)

    assert link(TOY, tmp_path)
    assert (tmp_path / "bin" / "toyserver").resolve() == program


def test_what_was_unpacked_is_linked_when_nothing_is_on_path(tmp_path: Path) -> None:
    program = a_program(tmp_path / "unpacked/toy/usr/bin/toy-server")

    assert link(TOY, tmp_path)
    assert (tmp_path / "bin" / "toyserver").resolve() == program


def test_a_second_run_keeps_the_link_that_is_there(tmp_path: Path, path: Path) -> None:
    program = a_program(tmp_path / "unpacked/toy/usr/bin/toy-server")
    assert link(TOY, tmp_path)
    a_program(path / "toyserver")

    assert link(TOY, tmp_path)
    assert (tmp_path / "bin" / "toyserver").resolve() == program


def test_a_link_to_a_program_that_is_gone_is_mended(tmp_path: Path, path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "toyserver").symlink_to(tmp_path / "gone")
    program = a_program(path / "toyserver")

    assert link(TOY, tmp_path)
    assert (tmp_path / "bin" / "toyserver").resolve() == program


@pytest.mark.parametrize(
    ("says", "exits"), [("quite another toyserver", 0), ("toyserver, version 1.0", 1)], ids=["namesake", "broken"]
)
def test_a_namesake_or_a_broken_program_is_not_linked(tmp_path: Path, path: Path, says: str, exits: int) -> None:
    a_program(path / "toyserver", says=says, exits=exits)

    assert not link(TOY, tmp_path)
    assert not (tmp_path / "bin").exists()


def test_a_system_without_apt_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotAvailableError, match="programs prometheus, promtool\\)"):
        fetch(["prometheus"], tmp_path)


def test_apt_is_kept_inside_the_project(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()

    options = dict(option.split("=", 1) for option in apt_options(tmp_path)[1::2])

    for place in ("Dir::State", "Dir::State::lists", "Dir::Cache", "Dir::Etc::Parts"):
        assert Path(options[place]).is_relative_to(tmp_path)
    assert not any("Invoke" in part.read_text() for part in (tmp_path / "conf").iterdir())


def test_an_unpacked_alertmanager_reads_its_templates_from_where_it_was_unpacked(tmp_path: Path) -> None:
    (tmp_path / "usr/share/prometheus/alertmanager").mkdir(parents=True)
    (tmp_path / "usr/share/prometheus/alertmanager/default.tmpl").write_text("the templates")
    program = a_program(tmp_path / "usr/bin/prometheus-alertmanager")
    program.write_text(f"#!/bin/sh\ncat {FIXED_TEMPLATES}/default.tmpl\n")

    relocate_templates(program.parent)

    answer = subprocess.run([tmp_path / "usr/bin/alertmanager"], capture_output=True, text=True, check=True)
    assert answer.stdout == "the templates"


def test_an_alertmanager_that_carries_its_templates_is_left_alone(tmp_path: Path) -> None:
    program = a_program(tmp_path / "prometheus-alertmanager")
    before = program.read_bytes()

    relocate_templates(tmp_path)

    assert program.read_bytes() == before
    assert not (tmp_path / "alertmanager").exists()


def test_an_unpacked_postgresql_is_started_with_the_libraries_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "unpacked" / "postgresql-15"
    (place / "usr/lib/x86_64").mkdir(parents=True)
    (place / "usr/lib/x86_64/libpq.so.5").touch()
    program = a_program(place / POSTGRESQL / "postgres")
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH" "$@"\n')

    write_starters(place)
    done = subprocess.run([place / "usr/bin/postgres", "-D", "x"], capture_output=True, text=True, check=True)

    assert done.stdout.split()[0].split(":")[0] == str(place / "usr/lib/x86_64")
    assert done.stdout.split()[1:] == ["-D", "x"]


def test_an_unpacked_chromium_is_started_with_the_libraries_and_fonts_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "unpacked" / "chromium"
    (place / "usr/lib/x86_64-linux-gnu/nss").mkdir(parents=True)
    program = a_program(place / "usr/lib/chromium/chromium")
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH" "$FONTCONFIG_FILE" "$@"\n')
    a_program(place / "usr/bin/chromium", says="the distribution's own script")

    write_starters(place)
    done = subprocess.run([place / "usr/bin/chromium", "--headless"], capture_output=True, text=True, check=True)

    libraries, fonts, option = done.stdout.split()
    assert libraries.split(":")[:2] == [f"{place}/usr/lib/x86_64-linux-gnu", f"{place}/usr/lib/x86_64-linux-gnu/nss"]
    assert Path(fonts).read_text().count("<dir") == 2
    assert option == "--headless"


def test_postgresql_comes_with_what_small_systems_lack(tmp_path: Path) -> None:
    assert parts("prometheus", [], tmp_path) == ("prometheus",)
    assert "libpq5" in parts("postgresql-15", [], tmp_path)
    assert {c.banner for c in COMPONENTS if c.package == "postgresql-15"} == {
        "postgres (PostgreSQL)",
        "initdb (PostgreSQL)",
    }


def test_chromium_comes_with_all_that_is_not_installed(tmp_path: Path) -> None:
    plan = "Inst libogg0 (1.3 Debian:12 [amd64])\nInst perl [5.36] (5.37 Debian:12 [amd64])\nConf libogg0 (1.3)"
    apt = a_program(tmp_path / "apt-get", says=plan)

    assert parts("chromium", [str(apt)], tmp_path) == ("chromium", "libogg0")


def test_an_unknown_component_is_refused_with_those_that_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path / "tools", ["chrome"]) == 2
    assert "known are prometheus" in capsys.readouterr().out
    assert not (tmp_path / "tools").exists()


def test_a_browser_that_is_installed_is_only_linked(tmp_path: Path, path: Path) -> None:
    program = a_program(path / "chromium-browser", says="Chromium 156.0")

    assert main(tmp_path / "tools", ["chromium"]) == 0
    assert (tmp_path / "tools/bin/chromium").resolve() == program
