"""Several estimates of one quantity, some of which may be wrong, made into one with an interval.

Estimates of the same image err together, so they are combined with their covariance (generalised least squares).
Each is either as good as usual or off by several times as much, which is where a patient differs from the age's
mean, or where a landmark was set on the wrong structure. The answer is the mixture over all such possibilities,
each weighed by how well the estimates then agree: what contradicts the others loses its weight, and of two that
contradict each other the more certain one is believed. (A mixture of two normals for outliers: Box and Tiao,
"A Bayesian approach to some outlier problems", Biometrika 1968;55:119.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """Weighted normal distributions: ``weights`` (K,) that add up to 1, ``means`` (K,) and ``sds`` (K,)."""

    weights: Array
    means: Array
    sds: Array

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation."""
        mean = float(self.weights @ self.means)
        return mean, float(np.sqrt(self.weights @ (self.sds**2 + (self.means - mean) ** 2)))

    def cdf(self, value: float) -> float:
        """Chance of a quantity no greater than a value."""
        return float(self.weights @ ndtr((value - self.means) / self.sds))

    def quantile(self, chance: float) -> float:
        """The value that the quantity does not exceed with this chance."""
        low, high = (float(f(self.means + side * 9 * self.sds)) for f, side in ((np.min, -1), (np.max, 1)))
        return float(brentq(lambda value: self.cdf(value) - chance, low, high, xtol=1e-9))


@dataclass(frozen=True)
class Combined:
    """The quantity's distribution, and ``shares`` (N,): the weight that each estimate has in its mean."""

    distribution: Mixture
    shares: Array


def either(first: Combined, second: Combined, chance: float) -> Combined:
    """The quantity where the first holds with some chance, and else the second.

    Args:
        first: of estimates (N,).
        second: of the same estimates and no more, or of those and others after them (N or more).
        chance: 0 to 1.
    """
    weights = [chance * first.distribution.weights, (1 - chance) * second.distribution.weights]
    parts = (first.distribution, second.distribution)
    mixture = Mixture(
        np.concatenate(weights), np.concatenate([p.means for p in parts]), np.concatenate([p.sds for p in parts])
    )
    shares = (1 - chance) * second.shares
    shares[: len(first.shares)] += chance * first.shares
    return Combined(mixture, shares)


def combine(estimates: Array, covariance: Array, wrong: Array, widening: Array) -> Combined:
    """Combine estimates of one quantity about which nothing else is known.

    Args:
        estimates: (N,), N of at least 1.
        covariance: (N, N) of their errors while none is wrong.
        wrong: (N,) chance of each to be wrong.
        widening: (N,) factor on its standard deviation if it is; its error is then independent of the others'.

    Returns:
        the mixture over the 2^N possibilities.
    """
    off = np.array(list(product((False, True), repeat=len(estimates))))
    kept = np.where(off[:, :, None] | off[:, None, :], 0.0, covariance)
    own = np.arange(len(estimates))
    kept[:, own, own] = np.diag(covariance) * np.where(off, widening, 1.0) ** 2
    precision = np.linalg.inv(kept)
    total = precision.sum(axis=(1, 2))
    shares = precision.sum(axis=1) / total[:, None]
    means = shares @ estimates
    away = estimates - means[:, None]
    misfit = np.einsum("pi,pij,pj->p", away, precision, away)
    chances = np.log(np.where(off, wrong, 1 - wrong)).sum(axis=1)
    logs = chances - 0.5 * (np.linalg.slogdet(kept)[1] + np.log(total) + misfit)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    return Combined(Mixture(weights, means, total**-0.5), weights @ shares)
