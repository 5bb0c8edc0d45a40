"""What Grafana is provisioned with: data sources that boards can find, and one folder of boards for each system."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from draw_boards import PACKS, ROOT
from mape_k.catalogue.yaml_text import read_yaml

PROVISIONING = ROOT / "config" / "grafana" / "provisioning"


def document(name: str) -> dict[str, Any]:
    text = read_yaml((PROVISIONING / name / "mape-k.yaml").read_text())
    assert not text.problems
    assert isinstance(text.value, dict)
    return text.value


SOURCES = document("datasources")["datasources"]
PROVIDERS = document("dashboards")["providers"]


def test_each_kind_of_source_that_boards_ask_is_there():
    assert {"prometheus", "loki"} <= {source["type"] for source in SOURCES}


def test_names_and_uids_of_sources_are_unique_and_uids_short():
    for key in ("name", "uid"):
        assert max(Counter(source[key] for source in SOURCES).values()) == 1
    assert all(len(source["uid"]) <= 40 for source in SOURCES)


def test_exactly_one_source_is_the_default():
    assert [source["name"] for source in SOURCES if source.get("isDefault")] == ["Prometheus"]


def test_sources_refer_only_to_sources_that_exist():
    known = {source["uid"] for source in SOURCES}

    assert set(_values("datasourceUid", SOURCES)) <= known


def _values(key: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (inner for name, inner in value.items() if name == key)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _values(key, inner)


def test_no_secret_and_no_address_stands_in_the_files():
    for source in SOURCES:
        assert source["url"].startswith("${")
        assert "secureJsonData" not in source


def test_every_pack_has_a_folder_of_its_own():
    packs = {path.parent.name for path in PACKS.glob("*/pack.yaml")}

    assert packs <= {provider["name"] for provider in PROVIDERS}
    for key in ("name", "folder", "folderUid"):
        assert max(Counter(provider[key] for provider in PROVIDERS).values()) == 1


def test_a_provider_reads_the_boards_of_its_pack_into_one_folder():
    for provider in PROVIDERS:
        assert provider["type"] == "file"
        assert provider["options"] == {"path": f"/etc/grafana/packs/{provider['name']}/dashboards"}
        assert "foldersFromFilesStructure" not in provider["options"]
        assert len(provider["folderUid"]) <= 40
        assert Path(PACKS / provider["name"]).is_dir()
