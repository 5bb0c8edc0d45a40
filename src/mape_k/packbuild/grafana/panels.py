"""How each kind of panel looks: its options and the settings of its fields, in Grafana's own types."""

from functools import singledispatch
from typing import Any

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    dashboard,
    gauge,
    heatmap,
    logs,
    piechart,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)

from mape_k.packbuild.grafana.description import (
    AlertTimeline,
    BarGauge,
    Gauge,
    Heatmap,
    Logs,
    Panel,
    Pie,
    Query,
    Stat,
    StateTimeline,
    Table,
    Text,
    TimeSeries,
)

_BUCKETS_FILTERED_BELOW = 1e-9
_COLOUR_STEPS = 64
_TEXT_MODES = {
    "number": common.BigValueTextMode.AUTO,
    "both": common.BigValueTextMode.VALUE_AND_NAME,
    "name": common.BigValueTextMode.NAME,
}
_LAST = ["lastNotNull"]


def transformations_of(panel: Panel) -> list[dashboard.DataTransformerConfig] | None:
    """Return what turns a table's answers into its columns; None for all other kinds."""
    if not isinstance(panel, Table):
        return None
    legends = list(panel.queries)
    one = len(legends) == 1
    values = {("Value" if one else f"Value #{ref_id(place)}"): legend for place, legend in enumerate(legends)}
    names = {**panel.columns, **values}
    organize = {
        "excludeByName": {"Time": True},
        "includeByName": dict.fromkeys([*names, "Value"], True),  # where one of several answers, it is just Value
        "indexByName": {name: place for place, name in enumerate(names)},
        "renameByName": names,
    }
    return [
        *([] if one else [dashboard.DataTransformerConfig(id_val="merge", options={})]),
        dashboard.DataTransformerConfig(id_val="organize", options=organize),
    ]


def ref_id(place: int) -> str:
    """Return the name of the query at a place of a panel: A, B and so on."""
    return chr(ord("A") + place)


@singledispatch
def options_of(panel: Panel) -> object:
    """Return the options of a panel, as its kind's plugin reads them."""
    raise TypeError(f"no kind of panel: {type(panel).__name__}")


@singledispatch
def custom_of(panel: Panel) -> object:  # noqa: ARG001 -- most kinds have nothing of their own
    """Return what a kind of panel adds to the settings of its fields."""
    return None


@options_of.register
def _(panel: TimeSeries) -> object:
    many = len(panel.queries) > 1 or any("{{" in legend for legend in panel.queries)
    legend = common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=many,
        calcs=[],
    )
    tooltip = common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING)
    return timeseries.Options(legend=legend, tooltip=tooltip)


@custom_of.register
def _(panel: TimeSeries) -> object:
    mode = common.StackingMode.NORMAL if panel.stacked else common.StackingMode.NONE
    style = {"line": common.GraphThresholdsStyleMode.LINE, "line+area": common.GraphThresholdsStyleMode.LINE_AND_AREA}
    off = common.GraphThresholdsStyleMode.OFF
    return common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS if panel.bars else common.GraphDrawStyle.LINE,
        line_width=1,
        fill_opacity=80 if panel.bars else 30 if panel.stacked else 8,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
        stacking=common.StackingConfig(mode=mode, group="A"),
        scale_distribution=_scale(is_logarithmic=panel.logarithmic),
        thresholds_style=common.GraphThresholdsStyleConfig(mode=style[panel.zone] if panel.thresholds else off),
        axis_soft_min=0,
    )


def _scale(*, is_logarithmic: bool) -> common.ScaleDistributionConfig:
    if is_logarithmic:
        return common.ScaleDistributionConfig(type_val=common.ScaleDistribution.LOG, log=10)
    return common.ScaleDistributionConfig(type_val=common.ScaleDistribution.LINEAR)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions(calcs=_LAST, fields="", values=False)


@options_of.register
def _(panel: Stat) -> object:
    return stat.Options(
        graph_mode=common.BigValueGraphMode.AREA if panel.sparkline else common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.BACKGROUND if panel.filled else common.BigValueColorMode.VALUE,
        text_mode=_TEXT_MODES[panel.shows],
        reduce_options=_last(),
    )


@options_of.register
def _(_panel: Gauge) -> object:
    return gauge.Options(reduce_options=_last())


@options_of.register
def _(_panel: BarGauge) -> object:
    return bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=_last(),
    )


@options_of.register
def _(_panel: Pie) -> object:
    legend = piechart.PieChartLegendOptions(
        display_mode=common.LegendDisplayMode.TABLE,
        placement=common.LegendPlacement.RIGHT,
        show_legend=True,
        values=[piechart.PieChartLegendValues.VALUE, piechart.PieChartLegendValues.PERCENT],
    )
    return piechart.Options(pie_type=piechart.PieChartType.DONUT, reduce_options=_last(), legend=legend)


@options_of.register
def _(panel: Table) -> object:
    by = panel.sort or next(iter(panel.queries))
    return table.Options(sort_by=[common.TableSortByFieldState(display_name=by, desc=True)])


@options_of.register
def _(panel: Heatmap) -> object:
    colours = heatmap.HeatmapColorOptions(
        mode=heatmap.HeatmapColorMode.SCHEME,
        scheme=panel.scheme,
        reverse=panel.reverse,
        steps=_COLOUR_STEPS,
        exponent=0.5,
        fill="dark-orange",
        min_val=panel.minimum,
        max_val=panel.maximum,
    )
    return heatmap.Options(
        calculate=False,
        color=colours,
        filter_values=heatmap.FilterValueRange(le=_BUCKETS_FILTERED_BELOW),
        y_axis=heatmap.YAxisConfig(unit=panel.unit if panel.buckets else None),
        cell_values=heatmap.CellValues(unit=None if panel.buckets else panel.unit),
        tooltip=heatmap.HeatmapTooltip(mode=common.TooltipDisplayMode.SINGLE, y_histogram=False),
    )


@options_of.register
def _(_panel: StateTimeline) -> object:
    return _timeline()


@options_of.register
def _(_panel: AlertTimeline) -> object:
    return _timeline()


def _timeline() -> statetimeline.Options:
    return statetimeline.Options(show_value=common.VisibilityMode.NEVER, row_height=0.8, merge_values=True)


@custom_of.register
def _(_panel: StateTimeline) -> object:
    return statetimeline.FieldConfig(line_width=0, fill_opacity=80)


@custom_of.register
def _(_panel: AlertTimeline) -> object:
    return statetimeline.FieldConfig(line_width=0, fill_opacity=80)


@options_of.register
def _(panel: Text) -> object:
    return text.Options(mode=text.TextMode.MARKDOWN, content=panel.content)


@options_of.register
def _(_panel: Logs) -> object:
    return logs.Options(show_time=True, wrap_log_message=True, enable_log_details=True)


def overrides_of(panel: Panel) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    """Return what holds for single series: a unit and an axis of its own, a colour."""
    queries = [(legend, _own(query)) for legend, query in panel.asked()]
    colours = [
        (legend, [_property("color", dashboard.FieldColor(dashboard.FieldColorModeId.FIXED, colour))])
        for legend, colour in panel.colours.items()
    ]
    if isinstance(panel, Table):
        cells = _cells(panel)
        named = [_override("byName", legend, own + cells) for legend, own in queries if own + cells]
    else:
        places = {legend: ref_id(place) for place, legend in enumerate(panel.queries)}
        named = [_override("byFrameRefID", places[legend], own) for legend, own in queries if own]
    return named + [_override("byName", legend, properties) for legend, properties in colours]


def _cells(panel: Table) -> list[dashboard.DynamicConfigValue]:
    """Return what colours the numbers and words of a table; the columns of its labels stay as they are."""
    is_coloured = bool(panel.values or panel.thresholds)
    return [_property("custom.cellOptions", common.TableColorTextCellOptions())] if is_coloured else []


def _own(query: Query) -> list[dashboard.DynamicConfigValue]:
    unit = [_property("unit", query.unit)] if query.unit else []
    return unit + ([_property("custom.axisPlacement", "right")] if query.axis == "right" else [])


def _property(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def _override(
    by: str, of: str, properties: list[dashboard.DynamicConfigValue]
) -> dashboard.DashboardFieldConfigSourceOverrides:
    matcher = dashboard.MatcherConfig(id_val=by, options=of)
    return dashboard.DashboardFieldConfigSourceOverrides(matcher=matcher, properties=properties)


def mappings_of(panel: Panel) -> list[Any] | None:
    """Return words and colours for single numbers."""
    values = {1: ("pending", "orange"), 2: ("firing", "red")} if isinstance(panel, AlertTimeline) else panel.values
    if not values:
        return None
    results = {
        f"{value:g}": dashboard.ValueMappingResult(text=word, color=colour, index=place)
        for place, (value, (word, colour)) in enumerate(values.items())
    }
    return [dashboard.ValueMap(options=results)]
