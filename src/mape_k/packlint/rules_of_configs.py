"""Checks of the configuration files themselves: what Prometheus and Alertmanager do not read as it was meant."""

import re
from collections.abc import Iterator, Mapping

from mape_k.errors import did_you_mean
from mape_k.packfiles import AlertmanagerFile
from mape_k.packfiles.prometheus import PrometheusFile, ScrapeJob
from mape_k.packlint.model import Findings, Found, Severity, check
from mape_k.packlint.suite import Suite

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-=?+][^}]*)?\}|^\$[A-Z_][A-Z0-9_]*$")
_LOOK_AROUND = re.compile(r"\(\?(?:[=!]|<[=!])")
_ALERTMANAGER_KEYS = (
    "global",
    "route",
    "receivers",
    "inhibit_rules",
    "templates",
    "time_intervals",
    "mute_time_intervals",
    "tracing",
)
_ALERTMANAGER_GLOBAL = re.compile(
    r"resolve_timeout|http_config|smtp_(?:from|hello|smarthost|auth_(?:username|password|password_file|secret|secret_file"
    r"|identity)|require_tls|tls_config|force_implicit_tls)|(?:slack|pagerduty|opsgenie|victorops|wechat|webex|telegram|jira"
    r"|rocketchat|mattermost)_\w+"
)
_PROMETHEUS_KEYS = (
    "global",
    "rule_files",
    "scrape_configs",
    "scrape_config_files",
    "alerting",
    "remote_write",
    "remote_read",
    "storage",
    "tracing",
    "runtime",
    "otlp",
)
_GLOBAL_KEYS = (
    "scrape_interval",
    "scrape_timeout",
    "scrape_protocols",
    "evaluation_interval",
    "rule_query_offset",
    "external_labels",
    "query_log_file",
    "scrape_failure_log_file",
    "body_size_limit",
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "target_limit",
    "keep_dropped_targets",
    "runtime",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "convert_classic_histograms_to_nhcb",
    "always_scrape_classic_histograms",
    "scrape_native_histograms",
    "extra_scrape_metrics",
)
_STORAGE_KEYS = ("tsdb", "exemplars")
_TSDB_KEYS = ("out_of_order_time_window", "stale_series_compaction_threshold")
_JOB_KEYS = frozenset(
    [
        "job_name",
        "scrape_interval",
        "scrape_timeout",
        "metrics_path",
        "honor_labels",
        "honor_timestamps",
        "track_timestamps_staleness",
        "scheme",
        "params",
        "basic_auth",
        "authorization",
        "oauth2",
        "bearer_token",
        "bearer_token_file",
        "tls_config",
        "proxy_url",
        "no_proxy",
        "proxy_from_environment",
        "proxy_connect_header",
        "follow_redirects",
        "enable_http2",
        "http_headers",
        "enable_compression",
        "static_configs",
        "file_sd_configs",
        "relabel_configs",
        "metric_relabel_configs",
        "body_size_limit",
        "sample_limit",
        "label_limit",
        "label_name_length_limit",
        "label_value_length_limit",
        "target_limit",
        "keep_dropped_targets",
        "native_histogram_bucket_limit",
        "native_histogram_min_bucket_factor",
        "scrape_protocols",
        "scrape_classic_histograms",
        "always_scrape_classic_histograms",
        "convert_classic_histograms_to_nhcb",
        "scrape_fallback_protocol",
        "scrape_failure_log_file",
        "metric_name_validation_scheme",
        "metric_name_escaping_scheme",
        "scrape_native_histograms",
        "extra_scrape_metrics",
    ]
)
_ADDRESSES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slack_configs": (
        ("api_url", "api_url_file", "app_token", "app_token_file"),
        ("slack_api_url", "slack_api_url_file", "slack_app_token", "slack_app_token_file"),
    ),
    "pagerduty_configs": (("routing_key", "routing_key_file", "service_key", "service_key_file"), ()),
    "opsgenie_configs": (("api_key", "api_key_file"), ("opsgenie_api_key", "opsgenie_api_key_file")),
    "victorops_configs": (("api_key", "api_key_file"), ("victorops_api_key", "victorops_api_key_file")),
    "webhook_configs": (("url", "url_file"), ()),
    "telegram_configs": (("bot_token", "bot_token_file"), ("telegram_bot_token", "telegram_bot_token_file")),
    "discord_configs": (("webhook_url", "webhook_url_file"), ()),
    "msteams_configs": (("webhook_url", "webhook_url_file"), ()),
}


@check(
    "environment-variable",
    AlertmanagerFile,
    Severity.ERROR,
    "Alertmanager expands no environment variables: the text is taken as it stands.",
    remedy="use the key that ends in _file, or write the file with envsubst before",
)
def environment_variable(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield texts of Alertmanager's file that look like environment variables."""
    yield from _variables(file.texts, "")


@check(
    "environment-variable-in-prometheus",
    PrometheusFile,
    Severity.ERROR,
    "Prometheus expands environment variables in external_labels alone: the text is taken as it stands.",
    remedy="use a key that ends in _file, or write the file with envsubst before",
)
def environment_variable_in_prometheus(file: PrometheusFile, _: Suite) -> Findings:
    """Yield texts of Prometheus' file that look like environment variables; ``${1}`` is a group of a pattern."""
    yield from _variables(file.texts, file.content)


def _variables(texts: tuple[tuple[int, str], ...], content: str) -> Iterator[Found]:
    """A part of a pattern may have a name, and is then used like a variable."""
    for line, text in texts:
        found = _VARIABLE.search(text) if "{{" not in text else None
        if found and f"(?P<{found.group().strip('${}')}>" not in content:
            yield Found(message=f"{found.group()} is not replaced", line=line)


@check(
    "mail-without-host",
    AlertmanagerFile,
    Severity.ERROR,
    "Without a mail host Alertmanager refuses the whole file.",
    remedy="set smtp_smarthost and smtp_from in global, or smarthost and from at the receiver",
)
def mail_without_host(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield mail receivers that cannot send; the host of a fragment stands in the file that it becomes part of."""
    for receiver in file.receivers if not file.is_fragment else ():
        for kind, channel, line in receiver.channels:
            if kind == "email_configs":
                needed = [("smarthost", "smtp_smarthost"), ("from", "smtp_from")]
                if missing := [own for own, common in needed if own not in channel and common not in file.common]:
                    yield Found(message=f"{receiver.name} sends mail without {' and '.join(missing)}", line=line)


@check(
    "channel-without-address",
    AlertmanagerFile,
    Severity.ERROR,
    "A channel that is not told where to send makes Alertmanager refuse the file.",
    remedy="give the address or key at the channel (as …_file), or for all in global",
)
def channel_without_address(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield channels of receivers that lead nowhere."""
    for receiver in file.receivers if not file.is_fragment else ():
        for kind, channel, line in receiver.channels:
            own, common = _ADDRESSES.get(kind, ((), ()))
            if own and not any(channel.get(key) for key in own) and not any(file.common.get(key) for key in common):
                yield Found(message=f"{receiver.name}: {kind} has none of {', '.join(own)}", line=line)


@check(
    "flag-as-setting",
    AlertmanagerFile,
    Severity.ERROR,
    "Alertmanager refuses a file with keys that it does not know; paths, addresses and retention are flags.",
    remedy="remove the key, and give the flag on the command line",
)
def flag_as_setting(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield keys on top that Alertmanager does not know."""
    for key, line in file.keys.items():
        if key not in _ALERTMANAGER_KEYS:
            yield Found(message=f"{key} is no setting of the file{did_you_mean(key, _ALERTMANAGER_KEYS)}", line=line)
    for key in file.common:
        if not _ALERTMANAGER_GLOBAL.fullmatch(key):
            yield Found(message=f"global.{key} is no setting of the file", line=file.keys["global"])


@check(
    "flag-as-setting-of-prometheus",
    PrometheusFile,
    Severity.ERROR,
    "Prometheus refuses a file with keys that it does not know; storage path, retention and addresses are flags.",
    remedy="remove the key, and give the flag on the command line, such as --storage.tsdb.retention.time",
)
def flag_as_setting_of_prometheus(file: PrometheusFile, _: Suite) -> Findings:
    """Yield keys that Prometheus does not know."""
    for key in file.settings:
        if key not in _PROMETHEUS_KEYS:
            yield Found(
                message=f"{key} is no setting of the file{did_you_mean(key, _PROMETHEUS_KEYS)}", line=file.lines[key]
            )
    common = file.settings.get("global")
    for key in common if isinstance(common, dict) else ():
        if key not in _GLOBAL_KEYS:
            message = f"global.{key} is no setting of the file{did_you_mean(key, _GLOBAL_KEYS)}"
            yield Found(message=message, line=file.lines[f"global.{key}"])
    storage = file.settings.get("storage")
    for key in storage if isinstance(storage, dict) else ():
        if key not in _STORAGE_KEYS:
            yield Found(message=f"storage.{key} is no setting of the file", line=file.lines[f"storage.{key}"])
    tsdb = storage.get("tsdb") if isinstance(storage, dict) else None
    for key in tsdb if isinstance(tsdb, dict) else ():
        if key not in _TSDB_KEYS:
            yield Found(message=f"storage.tsdb.{key} is a flag of the command", line=file.lines.get("storage.tsdb", 1))


@check(
    "unusable-scrape-job",
    PrometheusFile,
    Severity.ERROR,
    "Prometheus refuses the file, or the job keeps no target.",
    remedy="mend the key that is named",
)
def unusable_scrape_job(file: PrometheusFile, _: Suite) -> Findings:
    """Yield jobs that Prometheus refuses or that lose all their targets."""
    for job in file.jobs:
        for key in job.settings:
            if key not in _JOB_KEYS and not key.endswith("_sd_configs"):
                yield Found(
                    message=f"job {job.name}: unknown key {key}{did_you_mean(key, _JOB_KEYS)}", line=job.lines[key]
                )
        if {"bearer_token", "bearer_token_file"} <= job.settings.keys():
            yield Found(message=f"job {job.name}: bearer_token and bearer_token_file exclude each other", line=job.line)
        yield from _relabelling(job)


def _relabelling(job: ScrapeJob) -> Iterator[Found]:
    for key in ("relabel_configs", "metric_relabel_configs"):
        steps = job.settings.get(key)
        for step in steps if isinstance(steps, list) else ():
            if not isinstance(step, dict):
                continue
            if _LOOK_AROUND.search(str(step.get("regex", ""))):
                yield Found(message=f"job {job.name}: {key} looks around, which RE2 cannot", line=job.lines[key])
            sources = step.get("source_labels")
            if key == "relabel_configs" and sources == ["__name__"] and step.get("action") == "keep":
                yield Found(
                    message=f"job {job.name}: no target has a __name__ yet, so none is kept", line=job.lines[key]
                )
