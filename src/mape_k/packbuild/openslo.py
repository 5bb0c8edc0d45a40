"""The subset of OpenSLO v1 that objectives are written in. The JSON Schema for editors is generated from these classes.

What OpenSLO has beyond it (thresholds, calendar windows, time slices, policies, several objectives in one file) is
refused by name. What OpenSLO has no place for is said in annotations that begin with ``mape-k/``.
"""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from mape_k.catalogue.document import Document

ANNOTATIONS = {
    "mape-k/team": "Who hears of it: the label team of the alerts.",
    "mape-k/component": "What is ill: the label component of the alerts.",
    "mape-k/events": "What is counted, in the plural: validations.",
    "mape-k/bad-events": "What bad ones did: took longer than 10 µs.",
    "mape-k/action": "What to do first when it burns.",
    "mape-k/part-of": "Optional: the objective that several indicators belong to.",
    "mape-k/alerts": "Optional: none, for an objective that is watched and raises no alert.",
    "mape-k/minimum-bad-events": "Optional: with fewer in the long window no alert is raised; 5 when nothing is said.",
}
"""What each annotation is for; those that are not optional are needed."""

ALERT_PREFIX = "mape-k/alert."
"""What an annotation that describes an alert begins with; the alert's name follows."""

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
_Line = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\n]*$")]


UNSUPPORTED = {
    "alertPolicies": "alerts are made from the objective; change them with annotations mape-k/alert.NAME",
    "indicatorRef": "an indicator in another file is not supported; write it here under indicator",
    "labels": "labels are not supported; the alerts have those that annotations name",
    "thresholdMetric": "a threshold is not supported; count events with ratioMetric",
    "raw": "a ready-made ratio hides a vanished numerator; give good or bad, and total",
    "rawType": "a ready-made ratio hides a vanished numerator; give good or bad, and total",
    "metricSourceRef": "a source in another file is not supported; write type and spec",
    "calendar": "calendar windows are not supported; use duration: 30d with isRolling: true",
    "targetPercent": "write target, a share: 0.999",
    "timeSliceTarget": "time slices are not supported; count events",
    "timeSliceWindow": "time slices are not supported; count events",
    "compositeWeight": "composite objectives are not supported; write one file for each",
    "op": "an objective about a threshold is not supported; count the good or bad events",
    "value": "an objective about a threshold is not supported; count the good or bad events",
}
"""Keys that OpenSLO has and this subset has not: why, and what to write instead."""


class PrometheusQuery(Document):
    """What is counted."""

    query: Annotated[str, Field(min_length=1, max_length=10_000)] = Field(
        description="A counter with its matchers, or an expression of rates over [$window] that gives one value."
    )


class MetricSource(Document):
    """Where the number is asked for."""

    type: Literal["Prometheus"]
    spec: PrometheusQuery


class Metric(Document):
    """One of the numbers of a ratio."""

    source: MetricSource = Field(alias="metricSource")


class RatioMetric(Document):
    """Good or bad events, and all of them."""

    counter: Literal[True] = Field(description="The queries count: they only grow.")
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric

    @model_validator(mode="after")
    def _has_one_numerator(self) -> Self:
        if (self.good is None) is (self.bad is None):
            raise ValueError("expected exactly one of good and bad; remove or add one")
        return self


class IndicatorSpec(Document):
    """How it is measured."""

    ratio: RatioMetric = Field(alias="ratioMetric")


class IndicatorMetadata(Document):
    """The indicator's name."""

    name: _Name
    display_name: _Line | None = Field(default=None, alias="displayName")


class Indicator(Document):
    """What is measured."""

    metadata: IndicatorMetadata
    spec: IndicatorSpec


class TimeWindow(Document):
    """What the budget is for."""

    duration: Literal["30d"]
    rolling: Literal[True] = Field(alias="isRolling")


class Target(Document):
    """How much must be good."""

    display_name: _Line | None = Field(default=None, alias="displayName")
    target: float = Field(description="A share of all events, over 0 and under 1: 0.999.")

    @field_validator("target")
    @classmethod
    def _is_a_share(cls, target: float) -> float:
        if target >= 1:
            percent = f"; {target:g}% is written {target / 100:g}" if 1 < target < 100 else ""  # noqa: PLR2004 -- percent
            raise ValueError(f"expected a share under 1{percent}, since 1 leaves no error budget")
        if target <= 0:
            raise ValueError("expected a share over 0")
        return target


class Metadata(Document):
    """What it is called, and what OpenSLO has no place for."""

    name: _Name
    display_name: _Line = Field(alias="displayName")
    annotations: dict[str, Annotated[str, Field(max_length=500)]] = Field(
        json_schema_extra={
            "properties": {key: {"type": "string", "description": text} for key, text in ANNOTATIONS.items()},
            "required": [key for key, text in ANNOTATIONS.items() if not text.startswith("Optional")],
        }
    )


class Spec(Document):
    """The objective itself."""

    description: Annotated[str, Field(min_length=1, max_length=1050)]
    service: _Name = Field(description="The name of the pack.")
    indicator: Indicator
    windows: list[TimeWindow] = Field(alias="timeWindow", min_length=1, max_length=1)
    method: Literal["Occurrences"] = Field(alias="budgetingMethod")
    objectives: list[Target] = Field(min_length=1, max_length=1)


class ObjectiveDocument(Document):
    """One file: one objective."""

    api_version: Literal["openslo/v1"] = Field(alias="apiVersion")
    kind: Literal["SLO"]
    metadata: Metadata
    spec: Spec


def schema_text() -> str:
    """Return the JSON Schema of an objective; ``config/packs/objective.schema.json`` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ObjectiveDocument.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
