"""Whether components come from the remote sources, in time and untouched."""

from mape_k.packbuild.grafana import Board, Choice, Logs, Query, Row, Stat, Table, TimeSeries

SOURCE = 'source=~"$source"'
SYNCS = f'oneiric_remote_sync_total{{job="oneiric", {SOURCE}'
DURATION = f'{{job="oneiric", {SOURCE}}}[1h]'
DIGESTS = 'oneiric_remote_digest_checks_total{job="oneiric"}'
SIGNATURES = 'oneiric_remote_signature_verifications_total{job="oneiric"}'


def happened(outcome: str) -> str:
    """Return 1 for each source with such an outcome within 20 minutes, 0 for each without."""
    counted = f'sum by (source) (increase({SYNCS}, outcome="{outcome}"}}[20m]))'
    return f"(({counted} or 0 * sum by (source) ({SYNCS}}})) > bool 0)"


BOARD = Board(
    uid="oneiric-remote",
    title="Remote Sync",
    system="oneiric",
    description="Whether components come from the remote sources, in time and untouched.",
    range="1h",
    variables=[Choice("source", "Source", metric='oneiric_remote_sync_total{job="oneiric"}', label="source")],
    runbooks=[
        "OneiricDigestVerificationFailed",
        "OneiricSignatureVerificationFailed",
        "OneiricRemoteSyncConsecutiveFailures",
        "OneiricRemoteSyncStopped",
        "OneiricRemoteSyncInitial",
    ],
    rows=[
        Row(
            "Syncs",
            [
                Stat(
                    "Sync Success Rate",
                    {
                        "all": "oneiric:remote_sync_success_rate:5m",
                        "{{source}}": f"oneiric:remote_sync_success_rate_by_source:5m{{{SOURCE}}}",
                    },
                    unit="percentunit",
                    decimals=1,
                    thresholds=("red", 0.99, "green"),
                    sparkline=True,
                    shows="both",
                    when_empty="No sync in the time range",
                    description="Over five minutes, of the last time that there were syncs; the objective is more "
                    "than 99%.",
                    runbook="OneiricRemoteSyncSLOBreach",
                    width=14,
                    height=6,
                ),
                Stat(
                    "Last Sync Status",
                    {"{{source}}": f"{happened('success')} + 2 * {happened('failed')}"},
                    unit="short",
                    values={
                        0: ("nothing happens", "orange"),
                        1: ("succeeds", "green"),
                        2: ("fails", "red"),
                        3: ("now and then", "orange"),
                    },
                    filled=True,
                    shows="both",
                    description="What the syncs of the last 20 minutes came to, by source: about four. When the last "
                    "one was, the log tells.",
                    runbook="OneiricRemoteSyncConsecutiveFailures",
                    width=10,
                    height=6,
                ),
                TimeSeries(
                    "Latency vs Budget",
                    {
                        "{{source}} p99": f"oneiric:remote_sync_latency_p99:5m{{{SOURCE}}}",
                        "{{source}} p95": f"oneiric:remote_sync_latency_p95:5m{{{SOURCE}}}",
                        "mean": "oneiric:remote_sync_latency_avg:5m",
                    },
                    unit="s",
                    thresholds=("green", 30, "red"),
                    when_empty="No sync in the time range",
                    description="Over five minutes; the budget is 30 s. The alert looks back over thirty minutes, "
                    "since one sync alone is no percentile.",
                    runbook="OneiricRemoteSyncSlow",
                ),
                TimeSeries(
                    "Sync Frequency",
                    {
                        "{{source}}": f"3600 * sum by (source) (rate({SYNCS}}}[1h]))",
                        "all": "oneiric:remote_sync_throughput:1h",
                    },
                    unit="suffix: /h",
                    description="Syncs an hour, failed ones too. Every 300 s, as by default, are twelve of each "
                    "source; none for thirty minutes raises an alert.",
                    runbook="OneiricRemoteSyncStopped",
                ),
                Table(
                    "Remote Sources",
                    {
                        "Syncs in an hour": f"sum by (source) (increase({SYNCS}}}[1h]))",
                        "Failed": Query(
                            f'sum by (source) (increase({SYNCS}, outcome="failed"}}[1h]))',
                            unit="short",
                        ),
                        "Mean duration": Query(
                            f"sum by (source) (rate(oneiric_remote_sync_duration_seconds_sum{DURATION}))"
                            f" / (sum by (source) (rate(oneiric_remote_sync_duration_seconds_count{DURATION})) > 0)",
                            unit="s",
                        ),
                    },
                    unit="short",
                    columns={"source": "Source"},
                    description="The hour before, by source. Addresses are in the configuration and the log, not in "
                    "metrics.",
                    runbook="OneiricRemoteSyncConsecutiveFailures",
                    width=10,
                    height=9,
                ),
                Logs(
                    "Sync Errors",
                    {"errors": '{app="oneiric", level=~"warning|error"} |= `remote-` | json | event=~"remote-.*"'},
                    description="What went wrong with the remote source. remote-sync-circuit-open: it is left alone "
                    "for a minute after five failures.",
                    runbook="OneiricCircuitOpenInLogs",
                    width=14,
                ),
            ],
        ),
        Row(
            "Integrity",
            [
                Table(
                    "Digest Verification Status",
                    {
                        "In 15 minutes": f"sum by (outcome) (increase({DIGESTS}[15m]))",
                        "In an hour": f"sum by (outcome) (increase({DIGESTS}[1h]))",
                        "Since the start": f"sum by (outcome) ({DIGESTS})",
                    },
                    unit="none",
                    decimals=0,
                    columns={"outcome": "Outcome"},
                    when_empty="No digest was checked so far",
                    description="Digests of fetched artifacts. A single failure pages: damage or tampering. Which "
                    "artifact it was, the log tells.",
                    runbook="OneiricDigestVerificationFailed",
                ),
                TimeSeries(
                    "Signature Verification",
                    {"{{outcome}}": f"sum by (outcome) (increase({SIGNATURES}[15m]))"},
                    unit="short",
                    colours={"success": "green", "failed": "red"},
                    when_empty="No signature was verified so far",
                    description="Signatures of manifests, in the fifteen minutes before. A single failure pages: a "
                    "changed key or a forged manifest. Never trust a new key to make it go away.",
                    runbook="OneiricSignatureVerificationFailed",
                ),
            ],
        ),
        Row(
            "Cache",
            [
                Stat(
                    "Artifacts Cached",
                    {"artifacts": 'sum(oneiric_remote_artifacts_cached{job="oneiric"})'},
                    unit="short",
                    sparkline=True,
                    description="What the local cache holds. A fall to 0 without a clean-up: the cache is gone.",
                    runbook="OneiricCacheSizeMilestone",
                    width=6,
                    height=8,
                ),
                TimeSeries(
                    "Cache Operations",
                    {
                        "size": 'max(oneiric_system_cache_size_bytes{job="oneiric"})',
                        "growth an hour": Query("max(oneiric:system_cache_growth_rate:1h)", unit="bytes", axis="right"),
                    },
                    unit="bytes",
                    thresholds=("green", 5 * 1024**3, "orange"),
                    description="Size of the cache, and how much an hour adds (right); hits and misses are not "
                    "measured. Alerts tell of 5 GiB, and of more than 100 MiB an hour.",
                    runbook="OneiricCacheSizeGrowingRapidly",
                    width=18,
                ),
            ],
        ),
    ],
)
