"""A description becomes the JSON that Grafana loads. Needs the extra ``boards``."""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TypeAlias

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard, loki, prometheus

from mape_k.packbuild.grafana.description import (
    GRID_COLUMNS,
    AlertTimeline,
    Board,
    Choice,
    Heatmap,
    Logs,
    Option,
    Panel,
    Query,
    Row,
    Stat,
    StateTimeline,
    Table,
    Text,
    TimeSeries,
    runbook_path,
)
from mape_k.packbuild.grafana.panels import (
    custom_of,
    mappings_of,
    options_of,
    overrides_of,
    ref_id,
    transformations_of,
)

Drawn: TypeAlias = dashboard.Panel | dashboard.RowPanel

_FROM_PROMETHEUS = dashboard.DataSourceRef(type_val="prometheus", uid="$datasource")
_FROM_LOKI = dashboard.DataSourceRef(type_val="loki", uid="$loki")
_OVER_TIME = (TimeSeries, Heatmap, StateTimeline, AlertTimeline)
_MARK = {"step": "1m", "titleFormat": "{{alertname}}", "textFormat": "{{severity}}", "tagKeys": "severity,component"}
_LINES_OF_LOGS = 200


def to_text(board: Board) -> str:
    """Return the JSON of a sound description."""
    return json.dumps(_to_model(board).to_json(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _to_model(board: Board) -> dashboard.Dashboard:
    return dashboard.Dashboard(
        uid=board.uid,
        title=board.title,
        description=board.description,
        tags=[board.system, *board.tags],
        timezone="browser",
        editable=False,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=f"now-{board.range}", to="now"),
        refresh=board.refresh,
        panels=list(_grid(board)),
        templating=dashboard.DashboardDashboardTemplating(list(_variables(board))),
        annotations=dashboard.AnnotationContainer([_Marks(board.system)]),
        links=[_other_boards(board), *(_runbook(board.system, alert) for alert in board.runbooks)],
    )


# panels


def _grid(board: Board) -> Iterator[Drawn]:
    ids, top = count(1), 0
    for row in board.rows:
        first = top
        heading: dashboard.RowPanel | None = None
        if row.title:
            heading = dashboard.RowPanel(
                id_val=next(ids),
                title=row.title,
                collapsed=row.collapsed,
                grid_pos=dashboard.GridPos(h=1, w=GRID_COLUMNS, x=0, y=first),
            )
            yield heading
            top += 1
        drawn = []
        for panel, place in _flow(row, top):
            drawn.append(_panel(board, panel, place, next(ids)))
            top = max(top, place.y + place.h)
        if heading is not None and row.collapsed:
            heading.panels, top = drawn, first + 1
        else:
            yield from drawn


def _flow(row: Row, top: int) -> Iterator[tuple[Panel, dashboard.GridPos]]:
    """Yield the panels of a row with their places: from left to right, a new line where one does not fit."""
    left = tallest = 0
    for panel in row.panels:
        width, height = panel.area
        if left + width > GRID_COLUMNS:
            left, top, tallest = 0, top + tallest, 0
        yield panel, dashboard.GridPos(h=height, w=width, x=left, y=top)
        left, tallest = left + width, max(tallest, height)


def _panel(board: Board, panel: Panel, place: dashboard.GridPos, panel_id: int) -> dashboard.Panel:
    source = None if isinstance(panel, Text) else _FROM_LOKI if isinstance(panel, Logs) else _FROM_PROMETHEUS
    return dashboard.Panel(
        type_val=panel.kind,
        id_val=panel_id,
        title=panel.title,
        description=panel.description or None,
        datasource=source,
        targets=list(_targets(board, panel)),
        grid_pos=place,
        links=[_runbook(board.system, panel.runbook)] if panel.runbook else None,
        transformations=transformations_of(panel),
        options=options_of(panel),
        field_config=dashboard.FieldConfigSource(defaults=_defaults(panel), overrides=overrides_of(panel)),
    )


def _defaults(panel: Panel) -> dashboard.FieldConfig:
    by_series = isinstance(panel, TimeSeries) or panel.kind == "piechart"
    palette, thresholds = dashboard.FieldColorModeId.PALETTE_CLASSIC, dashboard.FieldColorModeId.THRESHOLDS
    return dashboard.FieldConfig(
        unit=panel.unit or None,
        decimals=panel.decimals,
        min_val=panel.minimum,
        max_val=panel.maximum,
        mappings=mappings_of(panel),
        thresholds=_thresholds(panel),
        color=dashboard.FieldColor(mode=palette if by_series else thresholds),
        no_value=panel.when_empty or None,
        custom=custom_of(panel),
    )


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = panel.thresholds or ("text" if isinstance(panel, Stat | Table) else "green",)
    bounds = [None, *(float(bound) for bound in steps[1::2])]
    return dashboard.ThresholdsConfig(
        steps=[dashboard.Threshold(value=b, color=str(c)) for b, c in zip(bounds, steps[::2], strict=True)]
    )


def _targets(board: Board, panel: Panel) -> Iterator[Dataquery]:
    queries = _alerts(board, panel) if isinstance(panel, AlertTimeline) else panel.asked()
    for place, (legend, query) in enumerate(queries):
        if isinstance(panel, Logs):
            yield loki.Dataquery(
                expr=query.expr,
                ref_id=ref_id(place),
                query_type="range",
                max_lines=_LINES_OF_LOGS,
                legend_format=legend,
                datasource=_FROM_LOKI,
            )
        else:
            yield _target(panel, ref_id(place), legend, query)


def _target(panel: Panel, name: str, legend: str, query: Query) -> Dataquery:
    is_range = isinstance(panel, _OVER_TIME) or (isinstance(panel, Stat) and panel.sparkline)
    shape = prometheus.PromQueryFormat.TIME_SERIES
    if isinstance(panel, Table):
        shape = prometheus.PromQueryFormat.TABLE
    elif isinstance(panel, Heatmap) and panel.buckets:
        shape = prometheus.PromQueryFormat.HEATMAP
    return prometheus.Dataquery(
        expr=query.expr,
        ref_id=name,
        instant=not is_range,
        range_val=is_range,
        format_val=shape,
        legend_format=legend,
        editor_mode=prometheus.QueryEditorMode.CODE,
        datasource=_FROM_PROMETHEUS,
    )


def _alerts(board: Board, panel: AlertTimeline) -> Sequence[tuple[str, Query]]:
    chosen = ", ".join(filter(None, (_of_system(board.system), panel.matchers)))
    firing, pending = (f'ALERTS{{{chosen}, alertstate="{state}"}}' for state in ("firing", "pending"))
    return [("{{alertname}}", Query(f"max by (alertname) (2 * {firing} or {pending})"))]


def _of_system(system: str) -> str:
    """Return what selects the alerts of a system, without its dead man's switch, which always fires."""
    return f'system="{system}", severity!="none"'


# variables, annotations and links


def _variables(board: Board) -> Iterator[dashboard.VariableModel]:
    yield _source("datasource", "Prometheus", "prometheus")
    if any(isinstance(panel, Logs) for panel in board.panels):
        yield _source("loki", "Loki", "loki")
    for variable in board.variables:
        yield _choice(variable) if isinstance(variable, Choice) else _option(variable)
    yield dashboard.VariableModel(
        type_val=dashboard.VariableType.TEXTBOX,
        name="runbooks",
        label="Runbooks at",
        description="Address under which the files of the repository can be read; the links to runbooks begin with it.",
        query="",
        current=dashboard.VariableOption(selected=True, text="", value=""),
        options=[],
    )


def _source(name: str, label: str, kind: str) -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.DATASOURCE,
        name=name,
        label=label,
        query=kind,
        regex="",
        options=[],
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
    )


def _choice(choice: Choice) -> dashboard.VariableModel:
    asked = f"label_values({choice.metric}, {choice.label})"
    everything = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=choice.name,
        label=choice.title,
        datasource=_FROM_PROMETHEUS,
        query={"qryType": 1, "query": asked, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        current=everything if choice.multi else None,
        multi=choice.multi,
        include_all=choice.multi,
        all_value=".*" if choice.multi else None,
        options=[],
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.ALPHABETICAL_ASC,
    )


def _option(option: Option) -> dashboard.VariableModel:
    options = [dashboard.VariableOption(selected=not place, text=v, value=v) for place, v in enumerate(option.values)]
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.CUSTOM,
        name=option.name,
        label=option.title,
        query=",".join(option.values),
        current=options[0],
        options=options,
    )


class _Marks(dashboard.AnnotationQuery):
    """Marks every time axis while an alert of the system fires; the texts are Prometheus' own settings."""

    def __init__(self, system: str) -> None:
        super().__init__(
            name="Alerts firing",
            datasource=_FROM_PROMETHEUS,
            icon_color="red",
            expr=f'ALERTS{{{_of_system(system)}, alertstate="firing"}}',
        )

    def to_json(self) -> dict[str, object]:
        """Return all settings."""
        return {**super().to_json(), **_MARK}


def _other_boards(board: Board) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(
        title=f"Boards of {board.system}",
        type_val=dashboard.DashboardLinkType.DASHBOARDS,
        tags=[board.system],
        as_dropdown=True,
        include_vars=True,
        keep_time=True,
    )


def _runbook(system: str, alert: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(
        title=f"Runbook: {alert}",
        type_val=dashboard.DashboardLinkType.LINK,
        icon="doc",
        url=f"${{runbooks}}/{runbook_path(system, alert)}",
        target_blank=True,
    )
