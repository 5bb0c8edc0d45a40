"""What is paused and what drains, since when, and how often."""

from mape_k.packbuild.grafana import Board, Choice, Pie, Query, Row, Stat, StateTimeline, Table, TimeSeries

LABELS = 'job="oneiric", domain=~"$domain"'
PAUSED = f"oneiric_activity_paused_components{{{LABELS}}}"
DRAINING = f"oneiric_activity_draining_components{{{LABELS}}}"
PAUSE_EVENTS = f"oneiric_activity_pause_events_total{{{LABELS}"
DRAIN_EVENTS = f"oneiric_activity_drain_events_total{{{LABELS}"
COMPONENTS = f"count(sum by (domain, key) (oneiric_lifecycle_active_instances{{{LABELS}}}) > 0)"
PAUSED_TOO_LONG = 'ALERTS{alertname="OneiricPausedTooLong", alertstate="firing", domain=~"$domain"}'


def in_an_hour(events: str, state: str) -> str:
    """Return how many components of each domain came into a state within an hour."""
    return f'sum by (domain) (increase({events}, state="{state}"}}[1h]))'


BOARD = Board(
    uid="oneiric-activity",
    title="Activity State",
    system="oneiric",
    description="What is paused and what drains, since when, and how often.",
    range="1h",
    variables=[Choice("domain", "Domain", metric='oneiric_activity_paused_components{job="oneiric"}', label="domain")],
    runbooks=["OneiricComponentsPaused", "OneiricComponentsDraining", "OneiricPausedTooLong"],
    rows=[
        Row(
            "Now",
            [
                Stat(
                    "Activity Summary",
                    {
                        "paused": f"sum({PAUSED})",
                        "draining": f"sum({DRAINING})",
                        "domains paused an hour long": f"count({PAUSED_TOO_LONG}) or vector(0)",
                    },
                    unit="short",
                    thresholds=("green", 1, "orange"),
                    shows="both",
                    description="Components that are paused or draining now; normal is none. What is paused on "
                    "purpose has a note in the log.",
                    runbook="OneiricComponentsPaused",
                    width=16,
                    height=8,
                ),
                Pie(
                    "State Distribution",
                    {
                        "running": f"clamp_min({COMPONENTS} - sum({PAUSED}) - sum({DRAINING}), 0)",
                        "paused": f"sum({PAUSED})",
                        "draining": f"sum({DRAINING})",
                    },
                    unit="short",
                    colours={"running": "green", "paused": "orange", "draining": "blue"},
                    description="Of the components that have an instance in memory.",
                    runbook="OneiricComponentsDraining",
                ),
            ],
        ),
        Row(
            "By domain",
            [
                StateTimeline(
                    "Activity Timeline",
                    {
                        "{{domain}}": (
                            f"(sum by (domain) ({PAUSED}) > bool 0) + 2 * (sum by (domain) ({DRAINING}) > bool 0)"
                        )
                    },
                    unit="short",
                    values={
                        0: ("runs", "green"),
                        1: ("paused", "orange"),
                        2: ("draining", "blue"),
                        3: ("paused and draining", "purple"),
                    },
                    description="Whether a domain has any component that is paused or draining.",
                    runbook="OneiricPausedTooLong",
                    width=24,
                    height=7,
                ),
                Table(
                    "Paused Components",
                    {
                        "Paused": f"sum by (domain) ({PAUSED}) > 0",
                        "Paused in an hour": in_an_hour(PAUSE_EVENTS, "paused"),
                        "Resumed in an hour": in_an_hour(PAUSE_EVENTS, "resumed"),
                    },
                    unit="short",
                    decimals=0,
                    columns={"domain": "Domain"},
                    description="By domain; an empty first column: none. The metric counts and does not name: which "
                    "they are, and who paused them, the log tells.",
                    runbook="OneiricComponentsPaused",
                ),
                Table(
                    "Draining Components",
                    {
                        "Draining": f"sum by (domain) ({DRAINING}) > 0",
                        "Began in an hour": in_an_hour(DRAIN_EVENTS, "draining"),
                        "Ended in an hour": in_an_hour(DRAIN_EVENTS, "cleared"),
                    },
                    unit="short",
                    decimals=0,
                    columns={"domain": "Domain"},
                    description="By domain; an empty first column: none. Drains that begin and do not end wait for "
                    "requests that never come back.",
                    runbook="OneiricComponentsDraining",
                ),
            ],
        ),
        Row(
            "Over time",
            [
                TimeSeries(
                    "Pause/Drain Events Over Time",
                    {
                        "pauses: {{state}}": f"sum by (state) (increase({PAUSE_EVENTS}}}[5m]))",
                        "drains: {{state}}": f"sum by (state) (increase({DRAIN_EVENTS}}}[5m]))",
                    },
                    unit="short",
                    bars=True,
                    stacked=True,
                    colours={
                        "pauses: paused": "orange",
                        "pauses: resumed": "green",
                        "drains: draining": "blue",
                        "drains: cleared": "purple",
                    },
                    when_empty="Nothing was paused or drained so far",
                    description="Events in the five minutes before. Pauses without as many resumes: somebody forgets, "
                    "or cannot.",
                    runbook="OneiricComponentsPaused",
                    width=14,
                    height=9,
                ),
                Table(
                    "Long-Running Paused Components",
                    {
                        "Never free of pauses for": (
                            "(300 + time() - max by (domain) "
                            '(ALERTS_FOR_STATE{alertname="OneiricPausedTooLong", domain=~"$domain"}))'
                            f" and on (domain) {PAUSED_TOO_LONG}"
                        ),
                        "Paused": Query(f"sum by (domain) ({PAUSED}) and on (domain) {PAUSED_TOO_LONG}", unit="short"),
                    },
                    unit="dtdurations",
                    columns={"domain": "Domain"},
                    when_empty="No domain has been paused for an hour without a break",
                    description="Domains that have not been free of pauses for more than an hour, as the alert sees "
                    "it: single components have no time of their own.",
                    runbook="OneiricPausedTooLong",
                    width=10,
                    height=9,
                ),
            ],
        ),
    ],
)
