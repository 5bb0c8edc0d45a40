"""The servers that packs may act through."""

from pathlib import Path

import pytest

from mape_k.errors import ConfigError
from mape_k.settings import load_settings

HOME = {"HOME": "/home/someone"}
SERVERS = "oneiric=http://localhost:9411/base/, daws-os=https://dawsos:9412"
SECRET = "correct-horse"


def problem(**environ: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_settings(HOME | environ)
    (line,) = refused.value.problems
    return line


def test_servers_are_names_with_addresses():
    settings = load_settings(HOME | {"MAPE_K_HTTP_SERVERS": SERVERS})
    assert settings.http_servers == {"oneiric": "http://localhost:9411/base", "daws-os": "https://dawsos:9412"}


def test_without_servers_none_can_be_reached():
    settings = load_settings(HOME)
    assert (settings.http_servers, settings.http_tokens_by_name) == ({}, {})


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("http://localhost:1", "expected NAME=URL with , between"),
        ("Oneiric=http://h", "expected NAME=URL with , between"),
        ("a=http://h,a=http://i", "a is there twice"),
        ("charter=http://h", "charter already means another peer"),
        ("a=localhost:1", "expected an address such as"),
        ("a=http://h?x", "expected an address without"),
        ("a=http://me:pa@h", "expected no user or password in the address"),
    ],
)
def test_what_is_no_server_is_refused(value: str, complaint: str):
    line = problem(MAPE_K_HTTP_SERVERS=value)
    assert line.startswith("MAPE_K_HTTP_SERVERS=")
    assert complaint in line
    assert "me:pa" not in line


def test_tokens_are_read_from_a_file_with_one_a_line(tmp_path: Path):
    (tmp_path / "tokens").write_text(f"oneiric={SECRET}=\ndaws-os=x\n")
    environ = {"MAPE_K_HTTP_SERVERS": SERVERS, "MAPE_K_HTTP_TOKENS_FILE": str(tmp_path / "tokens")}
    settings = load_settings(HOME | environ)
    tokens = {name: token.get_secret_value() for name, token in settings.http_tokens_by_name.items()}
    assert tokens == {"oneiric": f"{SECRET}=", "daws-os": "x"}
    assert SECRET not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "value", [SECRET, f"={SECRET}", f"oneiric=a oneiric={SECRET}", f"oneiric=\x07{SECRET}", f"{SECRET}=oneiric"]
)
def test_tokens_that_cannot_be_used_are_refused_without_being_shown(value: str):
    line = problem(MAPE_K_HTTP_SERVERS=SERVERS, MAPE_K_HTTP_TOKENS=value)
    assert line.startswith("MAPE_K_HTTP_TOKENS (not shown): ")
    assert SECRET not in line


def test_a_token_for_a_server_that_nobody_configured_is_refused():
    line = problem(MAPE_K_HTTP_TOKENS=f"oneiric={SECRET}")
    assert "entry 1 is for a server that MAPE_K_HTTP_SERVERS does not name" in line
