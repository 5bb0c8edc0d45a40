"""Packs in the folders of servers: all or nothing, what was there before kept, and the same again changes nothing."""

import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from mape_k.catalogue import shipped_packs
from mape_k.deploy import install
from mape_k.errors import ConfigError
from real_tools import find_tool

CHARTER = shipped_packs()["charter"]
MAPE_K = shipped_packs()["mape-k"]


@pytest.fixture
def checkers(monkeypatch):
    """The servers' own checkers on the PATH."""
    monkeypatch.setenv("PATH", str(find_tool("promtool").parent), prepend=":")


@pytest.fixture
def folders(tmp_path):
    found = {place: tmp_path / place for place in ("prometheus", "alertmanager", "grafana", "loki")}
    for folder in found.values():
        folder.mkdir()
    return found


def a_copy(folder: Path, pack: Path = CHARTER) -> Path:
    return Path(shutil.copytree(pack, folder / pack.name))


def everything(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.usefixtures("checkers")
def test_each_server_finds_what_it_reads_and_its_checker_has_agreed(folders):
    written = {each.place: each for each in install([CHARTER, MAPE_K], folders)}

    config = yaml.safe_load((folders["prometheus"] / "prometheus.yml").read_text())
    assert {written["prometheus"].checked_by, written["alertmanager"].checked_by} == {"promtool", "amtool"}
    assert all((folders["prometheus"] / path).is_file() for path in config["rule_files"])
    assert {job["job_name"] for job in config["scrape_configs"]} == {"westworld-charter", "mape-k"}
    templates = yaml.safe_load((folders["alertmanager"] / "alertmanager.yml").read_text())["templates"]
    assert [path.name for each in templates for path in folders["alertmanager"].glob(each)] == ["mape.tmpl"]
    boards = folders["grafana"] / "packs"
    assert {path.parents[1].name for path in boards.rglob("*.json")} == {"charter", "mape-k"}
    assert (folders["grafana"] / "provisioning" / "datasources").is_dir()
    assert (folders["loki"] / "rules" / "fake" / "charter.yaml").is_file()


def test_the_same_again_changes_nothing(folders):
    install([CHARTER], folders)
    before = {place: everything(folder) for place, folder in folders.items()}

    assert [each.has_changed for each in install([CHARTER], folders)] == [False] * 4
    assert {place: everything(folder) for place, folder in folders.items()} == before


def test_what_was_there_before_is_the_base_and_stays_as_it_was(folders):
    theirs = "scrape_configs: [{job_name: mine, static_configs: [{targets: [a:1]}]}]\nrule_files: [mine/*.yml]\n"
    (folders["prometheus"] / "prometheus.yml").write_text(theirs)
    install([CHARTER], {"prometheus": folders["prometheus"]})

    config = yaml.safe_load((folders["prometheus"] / "prometheus.yml").read_text())
    assert (folders["prometheus"] / "prometheus.base.yml").read_text() == theirs
    assert (folders["prometheus"] / "prometheus.yml.previous").read_text() == theirs
    assert [job["job_name"] for job in config["scrape_configs"]] == ["mine", "westworld-charter"]
    assert config["rule_files"][0] == str(folders["prometheus"] / "mine" / "*.yml")


def test_the_version_before_is_kept_whole_and_older_ones_go(tmp_path, folders):
    pack, where = a_copy(tmp_path), {place: folders[place] for place in ("prometheus", "grafana")}
    for number in range(4):
        (pack / "runbooks" / "PolicyLoadFailure.md").write_text(f"# PolicyLoadFailure\n\n{number}\n")
        board = pack / "dashboards" / "violations-threats.json"
        board.write_text(board.read_text().replace("Violations", f"Violations {number}", 1))
        install([pack], where)

    previous = yaml.safe_load((folders["prometheus"] / "prometheus.yml.previous").read_text())
    grafana = folders["grafana"]
    assert len(list((folders["prometheus"] / "mape-k" / "prometheus").iterdir())) == 2
    assert all((folders["prometheus"] / path).is_file() for path in previous["rule_files"])
    assert (grafana / "packs.previous" / "charter" / "dashboards" / "violations-threats.json").is_file()
    assert len(list((grafana / "mape-k" / "grafana").iterdir())) == 2


@pytest.mark.usefixtures("checkers")
def test_what_the_checker_refuses_changes_nothing_anywhere(folders):
    install([CHARTER], folders)
    before = {place: everything(folder) for place, folder in folders.items()}
    base = folders["alertmanager"] / "alertmanager.base.yml"
    base.write_text(base.read_text().replace("receiver: default", "receiver: nobody", 1))

    with pytest.raises(ConfigError, match="amtool refuses what became of it; nothing was changed"):
        install([CHARTER, MAPE_K], folders)

    for server in ("prometheus", "alertmanager"):
        assert everything(folders[server])[f"{server}.yml"] == before[server][f"{server}.yml"]
    assert everything(folders["grafana"]) == before["grafana"]
    assert list(folders["prometheus"].glob(".*.new")) == []


BROKEN = (
    "rules/charter.rules.yaml",
    "pack.yaml",
    "alertmanager/routes.yaml",
    "dashboards/objectives.json",
    "logs/rules.yaml",
)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_pack_is_refused_by_name_and_changes_nothing(tmp_path, folders, broken):
    pack = a_copy(tmp_path)
    (pack / broken).write_text("groups: [")

    with pytest.raises(ConfigError, match=broken):
        install([pack], folders)
    assert [everything(folder) for folder in (folders["grafana"], folders["loki"])] == [{}, {}]
    assert not (folders["prometheus"] / "prometheus.yml").exists()


def test_a_folder_that_is_not_there_is_refused_before_anything_is_written(tmp_path, folders):
    with pytest.raises(ConfigError, match="is no folder; make it first"):
        install([CHARTER], folders | {"alertmanager": tmp_path / "nowhere"})
    assert everything(folders["prometheus"]) == {}


def test_something_else_in_the_place_of_a_link_is_left_alone(folders):
    (folders["grafana"] / "packs").mkdir(parents=True)

    with pytest.raises(ConfigError, match="is in the way and not ours"):
        install([CHARTER], folders)
    assert not (folders["prometheus"] / "prometheus.yml").exists()


def test_nothing_that_lies_outside_of_a_pack_comes_into_a_servers_folder(tmp_path, folders):
    pack, secret = a_copy(tmp_path), tmp_path / "secret"
    secret.write_text("{}")
    (pack / "dashboards" / "more.json").symlink_to(secret)
    (pack / "runbooks" / "Same.md").symlink_to("PolicyLoadFailure.md")

    with pytest.raises(ConfigError, match="is a link that leads out of the pack") as refused:
        install([pack], folders)
    assert [problem for problem in refused.value.problems if "Same.md" in problem] == []


def test_a_second_installation_at_the_same_time_is_refused_and_a_later_one_is_not(folders):
    descriptor = os.open(folders["grafana"], os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="another installation is under way there"):
        install([CHARTER], folders)
    assert everything(folders["prometheus"]) == {}
    os.close(descriptor)

    assert [each.has_changed for each in install([CHARTER], folders)] == [True] * 4


def test_a_folder_may_be_that_of_several_servers(tmp_path, folders):
    where = tmp_path / "all"
    where.mkdir()
    install([CHARTER], dict.fromkeys(folders, where))

    config = yaml.safe_load((where / "prometheus.yml").read_text())
    templates = yaml.safe_load((where / "alertmanager.yml").read_text())["templates"]
    assert all((where / path).is_file() for path in config["rule_files"])
    assert [path.name for each in templates for path in where.glob(each)] == ["mape.tmpl"]
    assert (where / "packs" / "charter" / "dashboards" / "objectives.json").is_file()
    assert (where / "rules" / "fake" / "charter.yaml").is_file()


def test_a_configuration_that_is_no_text_is_refused_with_its_name(folders):
    (folders["prometheus"] / "prometheus.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"prometheus\.yml:1: is not UTF-8"):
        install([CHARTER], {"prometheus": folders["prometheus"]})


def rights(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.fixture
def careful_person():
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("careful_person")
def test_servers_that_run_as_somebody_else_can_read_what_was_installed(folders):
    install([CHARTER], folders)
    written = [path for folder in folders.values() for path in folder.rglob("*") if not path.is_symlink()]
    assert {rights(path) for path in written if path.is_dir()} == {"0o755"}
    assert {rights(path) for path in written if path.is_file()} == {"0o644"}
    assert os.umask(0o077) == 0o077


def test_secrets_of_a_configuration_stay_where_they_were_and_as_closed_as_they_were(folders):
    config = folders["alertmanager"] / "alertmanager.yml"
    shutil.copyfile(CHARTER.parents[1] / "alertmanager" / "alertmanager.yml", config)
    config.write_text(config.read_text() + "# hidden-canary\ntime_intervals: [{name: hidden-canary}]\n")
    config.chmod(0o640)
    install([CHARTER], {"alertmanager": folders["alertmanager"]})

    told = [path for path, text in everything(folders["alertmanager"]).items() if b"hidden-canary" in text]
    assert told == ["alertmanager.base.yml", "alertmanager.yml", "alertmanager.yml.previous"]
    assert {rights(folders["alertmanager"] / path) for path in told} == {"0o640"}


def test_what_is_new_is_as_closed_as_the_base_that_it_is_made_of(folders):
    base = folders["alertmanager"] / "alertmanager.base.yml"
    shutil.copyfile(CHARTER.parents[1] / "alertmanager" / "alertmanager.yml", base)
    base.chmod(0o600)
    install([CHARTER], {"alertmanager": folders["alertmanager"]})
    assert rights(folders["alertmanager"] / "alertmanager.yml") == "0o600"


def test_a_pack_without_anything_for_a_server_is_refused_for_it(tmp_path, folders):
    pack = a_copy(tmp_path)
    shutil.rmtree(pack / "logs")

    with pytest.raises(ConfigError, match="leave out --loki-dir"):
        install([pack], {"loki": folders["loki"]})
