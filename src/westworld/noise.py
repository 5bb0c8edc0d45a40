"""Seeded chance: the one place where the world is not a formula."""

import math
from collections import defaultdict
from random import Random  # noqa: TID251 the seeded generator itself, injected into everything else


class Noise:
    """Reproducible deviations and arrivals.

    Args:
        seed: the same seed gives the same world.
        sigma: spread of a value around its middle, as the standard deviation of its logarithm.
    """

    def __init__(self, seed: int, sigma: float) -> None:
        self._random = Random(seed)  # noqa: S311 a model, not a secret
        self._sigma = sigma
        self._owed: defaultdict[str, float] = defaultdict(self._random.random)

    def around(self, middle: float) -> float:
        """Return a positive value near ``middle`` (log-normal, median ``middle``)."""
        return middle * math.exp(self._sigma * self._random.gauss(0.0, 1.0))

    def arrivals(self, stream: str, expected: float) -> int:
        """Return how many whole events of a stream fall into a step in which ``expected`` are due.

        Fractions are carried over, so that the long-run rate is exact and a slow stream is regular, not bursty.
        """
        if expected <= 0.0:
            return 0
        self._owed[stream] += expected * max(0.0, self._random.gauss(1.0, self._sigma))
        whole = int(self._owed[stream])
        self._owed[stream] -= whole
        return whole
