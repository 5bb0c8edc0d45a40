"""How long work takes at a service, by its load and its servers."""

import math
from collections.abc import Mapping

_HIGHEST_LOAD = 0.995


def waiting_factor(load: float, servers: float) -> float:
    """Return the mean wait in a queue as a multiple of the service time.

    Args:
        load: offered work per server, 0 (idle) to 1 (saturated); above, the queue would grow for ever and is cut.
        servers: how many work on one queue.

    Sakasegawa's approximation for M/M/c: load ** (sqrt(2 (c + 1)) - 1) / (c (1 - load)).
    """
    load = min(load, _HIGHEST_LOAD)
    exponent = math.sqrt(2.0 * (servers + 1.0)) - 1.0
    return math.pow(load, exponent) / (servers * (1.0 - load))


def validation_ns(quantities: Mapping[str, float]) -> float:
    """Return the middle latency of a metric's validation.

    More servers shorten the wait alone; a check against many rules is slow however many servers there are.
    """
    servers = max(1.0, quantities["validation.servers"])
    service = (
        quantities["validation.service_ns"] + quantities["validation.rules"] * quantities["validation.ns_per_rule"]
    )
    load = quantities["validation.checks_per_second"] * service * 1e-9 / servers
    return service * (1.0 + waiting_factor(load, servers))


def revocation_path(quantities: Mapping[str, float]) -> tuple[int, float]:
    """Return how many workers are free for revocations, and how many milliseconds one revocation occupies a worker."""
    running = quantities["bulk_jobs.running"]
    workers = quantities["revocations.workers"] - running * quantities["bulk_jobs.workers_each"]
    milliseconds = quantities["revocations.service_ms"] * (1.0 + running * quantities["bulk_jobs.slowdown"])
    return max(1, round(workers)), milliseconds
