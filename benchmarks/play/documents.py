"""``scenarios.yaml`` as people write it. The JSON Schema for editors is generated from these classes."""

import json
import math
import re
from typing import Annotated, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from mape_k.catalogue.document import Document
from mape_k.catalogue.fields import AlertName, LabelName
from mape_k.packfiles.inventory import LabelValue, MetricName

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""Which series: the metric and its labels, sorted."""

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
Rate: TypeAlias = Annotated[float, Field(ge=0, le=1e9)]
ControlPath: TypeAlias = Annotated[str, Field(pattern=r"^(/([A-Za-z0-9._~-]+|\{target\}))+$", max_length=200)]

SHARES_TOLERANCE = 1e-6
STATES = ("value", "age", "uptime")
"""The ways to say what a gauge shows; one of them."""


class SeriesDocument(Document):
    """One series and what it does."""

    metric: MetricName
    labels: dict[LabelName, LabelValue] = Field(default_factory=dict, description="All labels of the inventory.")
    rate: Rate | None = Field(default=None, description="Counter: so many a second. Histogram: observations a second.")
    observed: dict[str, float] | None = Field(
        default=None, description="Histogram: the share of the observations that has each value; together 1."
    )
    value: float | None = Field(default=None, description="Gauge: what it shows.")
    grows: float = Field(default=0.0, description="Gauge: so much is added to the value every second.")
    age: float | None = Field(default=None, ge=0, description="Gauge: the moment that is always so many seconds ago.")
    uptime: float | None = Field(default=None, ge=0, description="Gauge: so many seconds, and one more every second.")

    @field_validator("observed")
    @classmethod
    def _adds_up(cls, observed: dict[str, float] | None) -> dict[str, float] | None:
        if observed is None:
            return None
        for value in observed:
            if _number(value) is None:
                raise ValueError(f"expected numbers as observed values, got {value}")
        if not math.isclose(sum(observed.values()), 1, abs_tol=SHARES_TOLERANCE) or min(observed.values()) < 0:
            raise ValueError("expected shares of at least 0 that add up to 1")
        return observed

    @property
    def key(self) -> Key:
        """Which series it is."""
        return self.metric, tuple(sorted(self.labels.items()))

    @property
    def shares(self) -> dict[float, float]:
        """The share of each observed value."""
        return {float(value): share for value, share in (self.observed or {}).items()}


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?", text) else None


class ChangeDocument(SeriesDocument):
    """What a fault does to one series: the healthy one with these labels does this instead, or a new one does."""

    born: bool = Field(default=False, description="The series is not there before; a counter's first value is then 1.")


class FaultDocument(Document):
    """One fault: what the system exports while it lasts, and what is to be heard of it."""

    alert: AlertName = Field(description="The alert that it fires.")
    also: list[AlertName] = Field(default_factory=list, description="Alerts that may fire with it.")
    change: list[ChangeDocument] = Field(default_factory=list, max_length=1000)
    absent: list[MetricName] = Field(default_factory=list, description="Metrics that are not exported.")
    down: bool | list[str] = Field(
        default=False, description="Nothing is exported: of these scrape jobs, or true: any."
    )
    cured_by: list[Name] = Field(default_factory=list, description="The controls that end it.")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.change or self.absent or self.down):
            raise ValueError("expected at least one of change, absent, down")
        return self


class ControlDocument(Document):
    """One thing that the system can be told to do, by POST."""

    path: ControlPath
    undo: ControlPath | None = Field(default=None, description="Takes it back.")


class ScenariosDocument(Document):
    """What ``scenarios.yaml`` holds."""

    healthy: list[SeriesDocument] = Field(min_length=1, max_length=10_000)
    faults: dict[Name, FaultDocument] = Field(default_factory=dict, max_length=1000)
    controls: dict[Name, ControlDocument] = Field(default_factory=dict, max_length=1000)


def schema_text() -> str:
    """Return the JSON Schema of ``scenarios.yaml``; ``config/packs/scenarios.schema.json`` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ScenariosDocument.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
