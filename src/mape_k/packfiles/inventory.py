"""``metrics.yaml``: which metrics a system exports, with which labels, units and buckets.

The JSON Schema for editors is generated from these classes.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from mape_k.catalogue.document import Document
from mape_k.catalogue.fields import LabelName, Unit
from mape_k.packfiles.reading import RefusedError, YamlFile, read_yaml_file, validation_refusals

INVENTORY_FILE = "metrics.yaml"
SERIES_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")

MetricType: TypeAlias = Literal["counter", "gauge", "histogram", "info"]
MetricName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,199}$")]
LabelValue: TypeAlias = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Which values a label has: exactly these, or any but no more than so many.

    Args:
        values: the closed set; empty: it is open.
        at_most: how many values there can be.
    """

    values: tuple[str, ...]
    at_most: int

    @property
    def is_closed(self) -> bool:
        """Whether every value is known."""
        return bool(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of the inventory.

    Args:
        name: without the suffixes of a histogram's series.
        type: what its series are; ``info`` is a gauge that is always 1.
        help: what it counts or measures.
        unit: for people; of a histogram: of what is observed. Empty: none (``info``).
        labels: by name, without those that a scrape adds (``job``, ``instance``).
        buckets: finite upper bounds of a histogram, ascending; else empty.
        job: the scrape job that has it; None: the only one of its pack.
        line: where the file has it.
    """

    name: str
    type: MetricType
    help: str
    unit: str
    labels: Mapping[str, Label]
    buckets: tuple[float, ...]
    job: str | None
    line: int

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series: those of a histogram, else its own."""
        return (
            tuple(self.name + suffix for suffix in SERIES_OF_HISTOGRAMS) if self.type == "histogram" else (self.name,)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All metrics of a system, by name, in the order of the file."""

    path: Path
    content: str
    metrics: Mapping[str, Metric]

    def __iter__(self) -> Iterator[Metric]:
        return iter(self.metrics.values())

    def __len__(self) -> int:
        return len(self.metrics)

    def find(self, series: str) -> Metric | None:
        """Return the metric that a series of that name belongs to: ``x_bucket`` to the histogram ``x``."""
        if series in self.metrics:
            return self.metrics[series]
        for suffix in SERIES_OF_HISTOGRAMS:
            found = self.metrics.get(series.removesuffix(suffix)) if series.endswith(suffix) else None
            if found is not None and found.type == "histogram":
                return found
        return None


class OpenSetDocument(Document):
    """The values of a label that nobody can list, bounded."""

    at_most: int = Field(ge=1, le=1_000_000, description="How many values there can be.")


def _kind_of_set(value: object) -> str:
    return "list" if isinstance(value, list) else "mapping"


_Labels: TypeAlias = Annotated[
    Annotated[list[LabelValue], Field(min_length=1, max_length=1000), Tag("list")]
    | Annotated[OpenSetDocument, Tag("mapping")],
    Discriminator(_kind_of_set),
]


class MetricDocument(Document):
    """One metric."""

    type: MetricType = Field(description="info: a gauge that is always 1.")
    help: Annotated[str, Field(min_length=1, max_length=500)]
    unit: Unit | None = Field(default=None, description="For people; of a histogram: of what is observed.")
    labels: dict[LabelName, _Labels] = Field(
        default_factory=dict, description="A closed set as a list, an open one as {at_most: N}; none: omitted."
    )
    buckets: list[float] | None = Field(default=None, max_length=200, description="Finite upper bounds, ascending.")
    job: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The scrape job that has it, where a pack has several."
    )

    @field_validator("labels")
    @classmethod
    def _has_each_value_once(cls, labels: dict[str, object]) -> dict[str, object]:
        for name, values in labels.items():
            if isinstance(values, list) and len(set(values)) < len(values):
                raise ValueError(f"the label {name} has a value twice; remove one")
        return labels

    @field_validator("buckets")
    @classmethod
    def _ascends(cls, buckets: list[float] | None) -> list[float] | None:
        if buckets is not None and (not buckets or any(low >= high for low, high in pairwise(buckets))):
            raise ValueError("expected finite upper bounds, each greater than the one before")
        return buckets

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if (self.type == "histogram") is (self.buckets is None):
            raise ValueError("expected buckets for a histogram, and for nothing else")
        if self.unit is None and self.type != "info":
            raise ValueError("unit is missing; add it")
        if "le" in self.labels:
            raise ValueError("the label le belongs to the buckets of a histogram; remove it")
        return self


class InventoryDocument(Document):
    """What ``metrics.yaml`` holds."""

    metrics: dict[MetricName, MetricDocument] = Field(min_length=1, max_length=5000)


def read_inventory(folder: Path) -> Inventory | None:
    """Read the inventory of the pack in ``folder``; None: the pack has none.

    Raises:
        RefusedError: everything that is wrong with it.
    """
    path = folder / INVENTORY_FILE
    return read_inventory_file(path) if path.exists() else None


def read_inventory_file(path: Path) -> Inventory:
    """Read an inventory.

    Raises:
        RefusedError: everything that is wrong with it.
    """
    return inventory_of(read_yaml_file(path))


def inventory_of(file: YamlFile) -> Inventory:
    """Return what a YAML file says as an inventory.

    Raises:
        RefusedError: everything that is wrong with it.
    """
    try:
        document = InventoryDocument.model_validate(file.value)
    except ValidationError as error:
        raise RefusedError(list(validation_refusals(file, InventoryDocument, error))) from error
    metrics = {name: _metric(file, name, each) for name, each in document.metrics.items()}
    if clashes := list(_clashes(metrics)):
        raise RefusedError([file.refuse(("metrics", name), sentence) for name, sentence in clashes])
    return Inventory(path=file.path, content=file.content, metrics=MappingProxyType(metrics))


def _metric(file: YamlFile, name: str, document: MetricDocument) -> Metric:
    return Metric(
        name=name,
        type=document.type,
        help=document.help,
        unit=document.unit or "",
        labels=MappingProxyType({label: _label(values) for label, values in document.labels.items()}),
        buckets=tuple(filter(math.isfinite, document.buckets or ())),
        job=document.job,
        line=file.line(("metrics", name)),
    )


def _label(values: list[str] | OpenSetDocument) -> Label:
    if isinstance(values, OpenSetDocument):
        return Label(values=(), at_most=values.at_most)
    return Label(values=tuple(values), at_most=len(values))


def _clashes(metrics: Mapping[str, Metric]) -> Iterator[tuple[str, str]]:
    """A series must belong to one metric."""
    for metric in metrics.values():
        for series in metric.series:
            if series != metric.name and series in metrics:
                yield series, f"is a series of the histogram {metric.name} already; rename one of them"


def schema_text() -> str:
    """Return the JSON Schema of ``metrics.yaml``; ``config/packs/metrics.schema.json`` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **InventoryDocument.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
