"""The ways of log lines to Loki and of spans to Jaeger: whole in themselves, and fit for what the daemon writes."""

import io
import json
import re
from datetime import datetime

import structlog
import yaml

from log_queries import APPS, LABELS, ROOT
from mape_k.telemetry import configure_logging

CONFIG = ROOT / "config"
ALLOY = re.sub(r"^\s*//.*$", "", (CONFIG / "alloy" / "config.alloy").read_text(), flags=re.MULTILINE)
PROMTAIL = yaml.safe_load((CONFIG / "promtail" / "promtail.yaml").read_text())
LOKI = yaml.safe_load((CONFIG / "loki" / "loki.yaml").read_text())
COLLECTOR = yaml.safe_load((CONFIG / "otel" / "collector.yaml").read_text())
STAGES = {name: body for stage in PROMTAIL["scrape_configs"][0]["pipeline_stages"] for name, body in stage.items()}


def of_alloy(stage):
    """The names that a stage of the Alloy pipeline lists."""
    (body,) = re.findall(rf"stage\.{stage} \{{\s*\w+ = \{{(.*?)\}}", ALLOY, flags=re.DOTALL)
    return set(re.findall(r"(\w+)\s*=", body))


def logged(**fields):
    out = io.StringIO()
    configure_logging(stream=out)
    structlog.get_logger("t").info("cycle_closed", **fields)
    configure_logging(stream=io.StringIO())
    return json.loads(out.getvalue())


def test_brackets_of_the_alloy_pipeline_match():
    code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', ALLOY)

    assert all(code.count(a) == code.count(b) for a, b in ("{}", "[]", "()"))


def test_every_component_that_the_alloy_pipeline_refers_to_is_there():
    code = re.sub(r'= ?\[?\{?"(?:[^"\\]|\\.)*"', "", ALLOY)
    defined = {f"{kind}.{label}" for kind, label in re.findall(r'^([a-z_.]+) "(\w+)" \{', ALLOY, flags=re.MULTILINE)}
    used = re.findall(r"\b((?:loki|discovery|local)\.[a-z_]+(?:\.[a-z_]+)*)\.(?:receiver|rules|output|targets)\b", code)

    assert len(defined) == 9
    assert set(used) <= defined
    assert defined - set(used) == {
        "loki.source.journal.units",
        "loki.source.docker.containers",
        "loki.source.file.oneiric",
    }


def test_both_pipelines_read_and_keep_the_same():
    assert of_alloy("json") == set(STAGES["json"]["expressions"])
    assert of_alloy("labels") == set(STAGES["labels"])
    assert of_alloy("structured_metadata") == set(STAGES["structured_metadata"])


def test_streams_have_the_labels_that_queries_use_and_no_unbounded_ones():
    targets = set(re.findall(r'target_label\s+= "(\w+)"', ALLOY))

    assert of_alloy("labels") | targets == LABELS


def test_the_services_that_queries_name_are_read():
    for regex in re.findall(r'regex\s+= "(?:/)?\(([^)]*)\)', ALLOY):
        assert regex == ".+" or set(regex.split("|")) == APPS


def test_what_the_daemon_writes_has_the_fields_that_the_pipeline_reads():
    line = logged(trace_id="0" * 32, cycle_id="cyc-1")

    assert {"timestamp", "level", "trace_id", "cycle_id", "event"} <= line.keys()
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    assert line["level"] == "info"


def test_loki_really_deletes_what_is_old():
    assert LOKI["limits_config"]["retention_period"] == "720h"
    assert LOKI["compactor"]["retention_enabled"] is True
    assert LOKI["compactor"]["delete_request_store"] == LOKI["schema_config"]["configs"][0]["object_store"]


def test_loki_has_none_of_the_keys_that_version_3_dropped():
    text = yaml.safe_dump(LOKI)

    assert [
        key for key in ("shared_store", "boltdb_shipper", "table_manager", "enforce_metric_name") if key in text
    ] == []


def test_the_collector_uses_all_that_it_defines_and_nothing_else():
    pipeline = COLLECTOR["service"]["pipelines"]["traces"]

    assert set(COLLECTOR["service"]["extensions"]) == set(COLLECTOR["extensions"])
    assert {kind: set(pipeline[kind]) for kind in ("receivers", "processors", "exporters")} == {
        kind: set(COLLECTOR[kind]) for kind in ("receivers", "processors", "exporters")
    }
    assert pipeline["processors"][0] == "memory_limiter"
