import io
import json
import logging

import pytest
import structlog

from mape_k.model import CycleReport, CycleResult, WokenBy
from mape_k.telemetry import canonical_line, configure_logging
from sample_reports import NOON, a_report

HOSTILE = "a\n\x1b[31mred\u202e\x00"


@pytest.fixture
def out():
    yield io.StringIO()
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)


def line(out: io.StringIO) -> dict:
    (text,) = out.getvalue().splitlines()
    return json.loads(text)


def test_an_event_is_one_json_line_with_level_time_and_context(out):
    configure_logging(stream=out)

    with structlog.contextvars.bound_contextvars(cycle_id="c-1"):
        structlog.get_logger("mape_k.loop").info("cycle_closed", alerts=3)

    told = line(out)
    assert told["event"] == "cycle_closed"
    assert told["level"] == "info"
    assert (told["cycle_id"], told["alerts"], told["logger"]) == ("c-1", 3, "mape_k.loop")
    assert told["timestamp"].endswith("Z")


def test_hostile_text_stays_on_its_line_and_comes_back_unchanged(out):
    configure_logging(stream=out)

    structlog.get_logger().warning("source_failed", detail=HOSTILE)

    assert out.getvalue().isascii()
    assert "\x1b" not in out.getvalue()
    assert line(out)["detail"] == HOSTILE


def test_the_console_shows_control_characters_instead_of_sending_them(out):
    configure_logging(fmt="console", stream=out)

    structlog.get_logger().warning("source_failed", detail=HOSTILE)

    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert "red" in out.getvalue()
    assert len(out.getvalue().splitlines()) == 1


def test_long_and_deep_values_are_cut(out):
    configure_logging(stream=out)
    deep: dict = {}
    deep["self"] = deep

    structlog.get_logger().info("seen", text="x" * 100_000, many=list(range(10_000)), deep=deep)

    assert len(out.getvalue()) < 10_000
    assert line(out)["text"].endswith("…")


def test_secrets_are_hidden_by_name_and_by_value(out):
    configure_logging(stream=out, secrets=["s3cr3t-value", ""])

    structlog.get_logger().info("asked", operator_token="abc", url="http://x?k=s3cr3t-value", deep={"password": "pw"})

    assert "s3cr3t" not in out.getvalue()
    assert line(out)["operator_token"] == "***"
    assert line(out)["deep"] == {"password": "***"}


def test_a_traceback_does_not_give_a_secret_away(out):
    configure_logging(stream=out, secrets=["s3cr3t-value"])

    try:
        int("s3cr3t-value")
    except ValueError:
        structlog.get_logger().exception("request_failed")

    assert "s3cr3t" not in out.getvalue()
    assert "ValueError" in line(out)["exception"]


def test_libraries_log_in_the_same_form_and_below_the_level_nothing_is_told(out):
    configure_logging("WARNING", stream=out)

    structlog.get_logger().info("quiet")
    logging.getLogger("aiohttp.server").info("quiet")
    logging.getLogger("aiohttp.server").error("broken %s", "pipe")

    assert line(out)["event"] == "broken pipe"
    assert line(out)["logger"] == "aiohttp.server"


def test_one_line_tells_the_whole_cycle():
    told = canonical_line(a_report())

    assert json.loads(json.dumps(told)) == told
    assert told["phases"]["monitor"] == {"ms": 1200.0, "budget_ms": 1000.0}
    assert (told["series"], told["alerts"], told["incidents"]) == (3, 1, 2)
    assert told["sources_down"] == ["charter"]
    assert told["decisions"] == {"best_candidate": 1, "cooldown": 1}
    assert told["actions"] == ["block_source on node-7"]
    assert told["executed"] == ["x-1"]


def test_a_cycle_that_failed_at_once_is_told_too():
    report = CycleReport(
        cycle_id="c-2", as_of=NOON, woken_by=WokenBy.TICK, result=CycleResult.FAILED, failure="monitor: timeout"
    )

    told = canonical_line(report)

    assert (told["result"], told["failure"], told["series"]) == ("failed", "monitor: timeout", 0)
