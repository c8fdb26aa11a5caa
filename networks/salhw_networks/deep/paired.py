"""Runs of several methods with the same seeds: their names, and accuracies compared seed by seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from salhw.description.fields import FloatArray
from salhw.study.intervals import mean_interval
from salhw_networks.experiment import Claim

LEVEL = 0.05


def half_width(values: FloatArray) -> float:
    """Half the width of the 95 % interval (Student's t) of a mean."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def interval(difference: FloatArray) -> tuple[float, float, float]:
    """Mean of paired differences, half the width of its 95 % interval, and the two-sided p-value."""
    from scipy.stats import ttest_1samp

    return float(difference.mean()), half_width(difference), float(ttest_1samp(difference, 0.0).pvalue)


def against(
    accuracy: Mapping[str, FloatArray], first: str, second: str, epoch: int, paper: str, *, higher: bool | None
) -> Claim:
    """Accuracies of two methods after an epoch, paired by seed. ``higher``: the first ought to be higher, which is
    judged where the difference is significant, either way; None: not judged."""
    mean, half, p = interval(accuracy[first][:, epoch - 1] - accuracy[second][:, epoch - 1])
    significant = "" if p < LEVEL else ", not significant"
    return Claim(
        f"accuracy after epoch {epoch}: {first} minus {second}, {len(accuracy[first])} seeds, paired",
        paper,
        f"{mean:+.1f} ± {half:.1f} points (95 %), p = {p:.2g}{significant}",
        None if higher is None or p >= LEVEL else (mean > 0) == higher,
    )


def over_chips(
    values: Mapping[str, FloatArray], first: str, second: str, what: str, unit: str, *, higher: bool | None = None
) -> Claim:
    """Values of two methods on the same chips: the mean of their differences with a bootstrap interval, and the exact
    two-sided p-value of flipping their signs. ``higher``: see ``against``."""
    from scipy.stats import permutation_test

    difference = values[first] - values[second]
    mean, low, high = mean_interval(difference)
    p = permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=2**16).pvalue
    significant = "" if p < LEVEL else ", not significant"
    return Claim(
        f"{what} after the last epoch: {first} minus {second}, {len(difference)} chips, paired",
        "higher" if higher else "-",
        f"{mean:+.1f} ({low:+.1f} to {high:+.1f}) {unit} (95 %), p = {p:.2g}{significant}",
        None if higher is None or p >= LEVEL else (mean > 0) == higher,
    )


def as_file_name(method: str) -> str:
    """The letters and digits of a method's name."""
    return "".join(c for c in method if c.isalnum())
