import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mape_k.errors import ConfigError
from mape_k.model import Mode, Phase
from mape_k.settings import load_settings
from mape_k.settings.load import FILE
from mape_k.settings.variables import SECRETS, VARIABLES, Settings

HOME = {"HOME": "/home/someone"}
SECRET = "correct-horse-battery-staple"
OTHER = "another-long-enough-secret"
ENV_FILE = Path(__file__).parents[3] / "config" / "mape-k.env"


def problems(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_settings(HOME | environ)
    return refused.value.problems


def test_without_any_variable_it_looks_at_this_machine_and_does_nothing():
    settings = load_settings(HOME)
    assert (settings.prometheus_url, settings.charter_url) == ("http://localhost:9090", "http://localhost:8000")
    assert settings.alertmanager_urls == ("http://localhost:9093",)
    assert (settings.mode, settings.packs) == (Mode.SHADOW, ("charter", "mape-k"))
    assert (str(settings.listen), settings.listen.is_loopback) == ("127.0.0.1:8001", True)
    assert settings.phase_budgets == {Phase.MONITOR: 1, Phase.ANALYZE: 2, Phase.PLAN: 3, Phase.EXECUTE: 5}
    assert (settings.interval, settings.cycle_budget, settings.watchdog_seconds) == (30, 15, None)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("MAPE_K_INTERVAL", "30s", "a number of seconds"),
        ("MAPE_K_INTERVAL", "nan", "a number of seconds"),
        ("MAPE_K_INTERVAL", "inf", "a number of seconds"),
        ("MAPE_K_INTERVAL", "0", "a number of seconds"),
        ("MAPE_K_INTERVAL", "-5", "a number of seconds"),
        ("MAPE_K_INTERVAL", "86401", "a number of seconds"),
        ("MAPE_K_PLAN_BUDGET", "quick", "a number of seconds"),
        ("MAPE_K_STALE_AFTER_INTERVALS", "0.5", "a number of scrape intervals from 1 to 100"),
        ("MAPE_K_SNAPSHOTS_MEGABYTES", "1.5", "a whole number from 1 to 100000"),
        ("MAPE_K_RETENTION_DAYS", "forever", "a number of days"),
        ("MAPE_K_MODE", "Enforce!", "shadow, approve or enforce"),
        ("MAPE_K_APPROVAL_SECONDS", "0", "a number of seconds from 1 to 86400"),
        ("MAPE_K_CHARTER_IDEMPOTENT", "maybe", "auto, yes or no"),
        ("MAPE_K_LOG_FORMAT", "xml", "json or console"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("MAPE_K_PACKS", ":", "names of packs or paths of folders"),
        ("PROMETHEUS_URL", "localhost:9090", "an address such as http://localhost:9090"),
        ("PROMETHEUS_URL", "ftp://localhost", "an address such as"),
        ("PROMETHEUS_URL", "http://", "an address such as"),
        ("PROMETHEUS_URL", "http://[::1", "an address such as"),
        ("PROMETHEUS_URL", "http://h:99999", "an address such as"),
        ("PROMETHEUS_URL", "http://a b", "an address such as"),
        ("PROMETHEUS_URL", "http://h/?a=1", "an address without"),
        ("ALERTMANAGER_URL", "http://a:9093,b:9093", "an address such as"),
        ("ALERTMANAGER_URL", " , ", "http addresses with , between"),
        ("MAPE_K_LISTEN", "8001", "HOST:PORT"),
        ("MAPE_K_LISTEN", ":8001", "HOST:PORT"),
        ("MAPE_K_LISTEN", "127.0.0.1:65536", "HOST:PORT"),
        ("MAPE_K_LISTEN", "::1:8001x", "HOST:PORT"),
        ("MAPE_K_LISTEN", "a/b:1", "HOST:PORT"),
        ("MAPE_K_KNOWLEDGE_URL", "postgresql://host/db", "postgresql://user@host:port/database"),
        ("MAPE_K_KNOWLEDGE_URL", "sqlite:///var/lib/x.db", "four, as in sqlite:////var/lib/x.db"),
        ("MAPE_K_KNOWLEDGE_URL", "sqlite://", "four, as in sqlite:////var/lib/mape-k/knowledge.db"),
        ("MAPE_K_KNOWLEDGE_URL", "sqlite:////x.db?mode=ro", "sqlite:////absolute/path.db"),
        ("MAPE_K_KNOWLEDGE_URL", "/var/lib/x.db", "sqlite:////absolute/path.db"),
        ("MAPE_K_AUDIT_KEY_FILE", "audit.key", "an absolute path of a file that `openssl rand -hex 32` wrote"),
        ("MAPE_K_AUDIT_KEY_FILE", "/nowhere/audit.key", "an absolute path of a file that `openssl rand -hex 32` wrote"),
        ("MAPE_K_AUDIT_KEY_FILE", "/dev/null", "an absolute path of a file that `openssl rand -hex 32` wrote"),
        ("WATCHDOG_USEC", "soon", "a whole number of microseconds"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_what_was_expected(variable: str, value: str, expected: str):
    (line,) = problems(**{variable: value})
    assert line.startswith(f"{variable}={value.strip()}: ")
    assert f"expected {expected}" in line


@pytest.mark.parametrize(
    ("variable", "value", "field", "read"),
    [
        ("ALERTMANAGER_URL", "http://a:1, http://b:2/am/,", "alertmanager_urls", ("http://a:1", "http://b:2/am")),
        (
            "PROMETHEUS_URL",
            " https://mimir.example/prometheus/\r",
            "prometheus_url",
            "https://mimir.example/prometheus",
        ),
        ("PROMETHEUS_URL", "http://[::1]:9090", "prometheus_url", "http://[::1]:9090"),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("MAPE_K_MODE", "enforce", "mode", Mode.ENFORCE),
        ("MAPE_K_MODE", "approve", "mode", Mode.APPROVE),
        ("MAPE_K_PACKS", "charter:./mine:/etc/p", "packs", ("charter", "./mine", "/etc/p")),
        ("MAPE_K_KNOWLEDGE_URL", "sqlite:////srv/k.db", "knowledge_file_url", "sqlite:////srv/k.db"),
        ("MAPE_K_INTERVAL", "", "interval", 30.0),
        ("WATCHDOG_USEC", "90000000", "watchdog_seconds", 90.0),
    ],
)
def test_a_good_value_is_read(variable: str, value: str, field: str, read: object):
    assert getattr(load_settings(HOME | {variable: value}), field) == read


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("MAPE_K_INTERVL", "; did you mean 'MAPE_K_INTERVAL'?"),
        ("MAPE_K_PROMETHEUS_URL", "; did you mean 'PROMETHEUS_URL'?"),
        ("mape_k_mode", "; did you mean 'MAPE_K_MODE'?"),
        ("MAPE_K_ZZZZZZZZZZZZZZZZ", "; remove it"),
    ],
)
def test_an_unknown_variable_is_a_problem(variable: str, suggestion: str):
    assert problems(**{variable: "1"}) == [f"{variable}: unknown variable{suggestion}"]


def test_variables_of_others_are_left_alone():
    load_settings(HOME | {"PATH": "/bin", "MAPEK": "1", "MAPE_K_REQUIRE_REAL": "1", "MAPE_K_TOOLS": "/opt"})


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"MAPE_K_PLAN_BUDGET": "9"}, "is more than MAPE_K_CYCLE_BUDGET=15"),
        ({"MAPE_K_CYCLE_BUDGET": "31"}, "MAPE_K_CYCLE_BUDGET=31: expected at most MAPE_K_INTERVAL=30"),
        ({"MAPE_K_INTERVAL": "14"}, "MAPE_K_CYCLE_BUDGET=15: expected at most MAPE_K_INTERVAL=14"),
        ({"WATCHDOG_USEC": "60000000"}, "MAPE_K_INTERVAL=30: expected less than half of the unit's WatchdogSec=60"),
        ({"MAPE_K_LISTEN": "0.0.0.0:8001"}, "MAPE_K_LISTEN=0.0.0.0:8001: other machines could reach it"),
        ({"MAPE_K_LISTEN": "[::]:8001", "MAPE_K_INGEST_TOKEN": SECRET}, "other machines could reach it"),
        ({"MAPE_K_LISTEN": "example.org:80", "MAPE_K_OPERATOR_TOKEN": SECRET}, "other machines could reach it"),
        ({"MAPE_K_OPERATOR_TOKEN": SECRET, "MAPE_K_INGEST_TOKEN": SECRET}, "are the same (not shown)"),
        ({"HOME": ""}, "no state folder is known"),
        ({"STATE_DIRECTORY": "here"}, "no state folder is known"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(environ: dict[str, str], complaint: str):
    (line,) = problems(**environ)
    assert complaint in line
    assert SECRET not in line


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:8001", "localhost:8001", "127.9.9.9:1"])
def test_a_loopback_address_needs_no_configured_tokens(listen: str):
    assert load_settings(HOME | {"MAPE_K_LISTEN": listen}).listen.is_loopback


def test_another_address_is_taken_with_both_tokens():
    tokens = {"MAPE_K_OPERATOR_TOKEN": SECRET, "MAPE_K_INGEST_TOKEN": OTHER}
    settings = load_settings(HOME | tokens | {"MAPE_K_LISTEN": "10.0.0.1:80"})
    assert (settings.listen.host, settings.listen.port) == ("10.0.0.1", 80)


def test_budgets_that_just_fit_are_taken():
    budgets = {f"MAPE_K_{phase.upper()}_BUDGET": "0.1" for phase in Phase}
    load_settings(HOME | budgets | {"MAPE_K_CYCLE_BUDGET": "0.4", "MAPE_K_INTERVAL": "0.4", "WATCHDOG_USEC": "800001"})


def test_every_problem_is_told_at_once_and_none_twice():
    told = problems(
        MAPE_K_INTERVAL="x",
        MAPE_K_MODE="y",
        MAPE_K_LISTEN="0.0.0.0:1",
        MAPE_K_OPERATOR_TOKEN="short",
        MAPE_K_CHARTER_TOKEN_FILE="/nowhere",
        MAPE_K_NEW="1",
        MAPE_K_CYCLE_BUDGET="2",
    )
    starts = [
        "MAPE_K_NEW: ",
        "MAPE_K_CHARTER_TOKEN_FILE=",
        "MAPE_K_MODE=",
        "MAPE_K_INTERVAL=",
        "MAPE_K_OPERATOR_TOKEN ",
    ]
    assert [line.startswith(start) for line, start in zip(told, starts, strict=False)] == [True] * 5
    assert "MAPE_K_CYCLE_BUDGET=2" in told[5]
    assert len(told) == 6


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("secret", ["has a space", "umläutchen-long-enough", "line\nbreak-long-enough", "x" * 5000])
def test_an_unusable_secret_is_refused_without_being_shown(variable: str, secret: str):
    (line,) = problems(**{variable: secret})
    assert line.startswith(f"{variable} (not shown): expected ")
    assert secret not in line


def test_a_password_in_an_address_is_refused_without_being_shown():
    told = problems(
        PROMETHEUS_URL="http://me:pa/ss@h/",
        CHARTER_API_URL="http://me:pass@h/",
        MAPE_K_KNOWLEDGE_URL="postgresql://me:pass@h/db",
    )
    assert len(told) == 3
    assert not any("me:pa" in line for line in told)
    assert all("//***@h" in line for line in told)


def test_no_secret_shows_in_the_settings_themselves():
    settings = load_settings(HOME | {"MAPE_K_CHARTER_TOKEN": SECRET})
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.charter_token.get_secret_value() == SECRET


def test_a_secret_is_read_from_its_file(tmp_path: Path):
    (tmp_path / "token").write_text(f"{SECRET}\n")
    settings = load_settings(HOME | {"MAPE_K_CHARTER_TOKEN_FILE": str(tmp_path / "token")})
    assert settings.charter_token.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"", "is empty"), (b"x" * 8193, "is larger than"), (None, "No such file")]
)
def test_an_unusable_secret_file_is_refused(content: bytes | None, complaint: str, tmp_path: Path):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    (line,) = problems(MAPE_K_INGEST_TOKEN_FILE=str(tmp_path / "token"))
    assert line.startswith(f"MAPE_K_INGEST_TOKEN_FILE={tmp_path}/token: {complaint}")


def test_a_folder_in_the_place_of_a_secret_file_is_refused(tmp_path: Path):
    assert "is not a file" in problems(MAPE_K_INGEST_TOKEN_FILE=str(tmp_path))[0]


def test_a_secret_given_in_both_ways_is_refused():
    told = problems(MAPE_K_CHARTER_TOKEN=SECRET, MAPE_K_CHARTER_TOKEN_FILE="/nowhere")
    assert told == ["MAPE_K_CHARTER_TOKEN and MAPE_K_CHARTER_TOKEN_FILE are both set: keep one"]


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/mape-k:/var/lib/more", "XDG_STATE_HOME": "/x"}, "/var/lib/mape-k"),
        ({"XDG_STATE_HOME": "/x"}, "/x/mape-k"),
        ({"XDG_STATE_HOME": "relative"}, "/home/someone/.local/state/mape-k"),
        ({}, "/home/someone/.local/state/mape-k"),
    ],
)
def test_the_state_folder_is_the_service_managers_else_the_logins(environ: dict[str, str], folder: str):
    settings = load_settings(HOME | environ)
    assert settings.state_folder == Path(folder)
    assert settings.knowledge_file_url == f"sqlite:///{folder}/knowledge.db"
    assert settings.audit_key_path == Path(folder, "audit.key")


def test_the_key_of_the_audit_trail_may_lie_elsewhere_and_its_anchor_stays(tmp_path: Path):
    file = tmp_path / "key"
    file.write_text("ab" * 32 + "\n")
    settings = load_settings(HOME | {"STATE_DIRECTORY": "/var/lib/mape-k", "MAPE_K_AUDIT_KEY_FILE": str(file)})
    assert (settings.audit_key_path, settings.audit_anchor_path) == (file, Path("/var/lib/mape-k/audit.anchor"))


def documented() -> dict[str, str]:
    return dict(re.findall(r"^#((?:[A-Z]+_)+[A-Z]+)=(.*)$", ENV_FILE.read_text(), re.MULTILINE))


def test_the_shipped_file_documents_every_variable_and_no_other():
    assert documented().keys() == {*VARIABLES, *(secret + FILE for secret in SECRETS)}


def test_the_shipped_file_documents_the_defaults():
    defaults = {field.alias: field.default or "" for field in Settings.model_fields.values()}
    assert documented() == {name: defaults.get(name, "") for name in documented()}
    assert load_settings(HOME | documented()) == load_settings(HOME)


def test_the_shipped_file_sets_nothing_by_itself():
    assert all(line.startswith("#") or not line for line in ENV_FILE.read_text().splitlines())


@given(st.dictionaries(st.sampled_from([*VARIABLES, *(secret + FILE for secret in SECRETS)]), st.text(max_size=30)))
def test_whatever_the_environment_holds_the_answer_is_settings_or_harmless_lines(environ: dict[str, str]):
    told: list[str] = []
    try:
        load_settings(HOME | environ)
    except ConfigError as refused:
        told = refused.problems
    assert not [line for line in told if line.splitlines() != [line] or "\x1b" in line]


def test_reading_the_settings_imports_nothing_that_only_the_daemon_needs():
    program = "import sys, mape_k.settings; print({'aiohttp', 'sqlalchemy', 'yaml', 'structlog'} & sys.modules.keys())"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_password_of_a_shared_knowledge_comes_from_its_own_variable():
    url = "postgresql://me@db.example:5433/mapek?sslmode=verify-full"
    settings = load_settings(HOME | {"MAPE_K_KNOWLEDGE_URL": url, "MAPE_K_KNOWLEDGE_PASSWORD": "p@ss/w:rd"})
    assert settings.knowledge_file_url == url.replace("me@", "me:p%40ss%2Fw%3Ard@")
    assert "p@ss" not in repr(settings)
    assert load_settings(HOME | {"MAPE_K_KNOWLEDGE_URL": url}).knowledge_file_url == url


@pytest.mark.parametrize("url", ["postgresql://me:secret@h/db", "postgresql://me@h/db?password=secret"])
def test_a_password_in_the_address_of_knowledge_is_refused(url: str):
    (line,) = problems(MAPE_K_KNOWLEDGE_URL=url)
    assert "MAPE_K_KNOWLEDGE_PASSWORD_FILE" in line
    assert "secret" not in line


def test_three_renewals_must_fit_into_a_lease():
    (line,) = problems(MAPE_K_LEASE_SECONDS="8")
    assert "MAPE_K_LEASE_RENEW_SECONDS=3: expected at most a third of MAPE_K_LEASE_SECONDS=8" in line


def test_a_replica_is_named_by_host_and_port_unless_it_is_given_a_name():
    assert load_settings(HOME).replica_name.endswith(":8001")
    assert load_settings(HOME | {"MAPE_K_REPLICA": "mape-k-1"}).replica_name == "mape-k-1"
    assert "letters" in problems(MAPE_K_REPLICA="two words")[0]
