"""Effective weights through interneurons (paper section 2.5)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.diagnostics.arguments import numbers, wrong
from salhw.diagnostics.wording import shown


def through_interneurons(
    direct: npt.ArrayLike,
    to_interneuron: npt.ArrayLike,
    from_interneuron: npt.ArrayLike,
    bias: npt.ArrayLike,
    activity: npt.ArrayLike,
) -> FloatArray:
    """What the total effective weight should be by the rate argument of paper Eq 38.

    ``direct + from_interneuron * sigmoid(to_interneuron * activity + bias) / activity``: exact for rate neurons; for
    spikes an estimate, with which ``effective_weights(..., through=[...])`` can be compared.

    Args:
        direct: W_EE from j to i.
        to_interneuron, bias: W_IE from j to its interneuron, and that one's bias.
        from_interneuron: W_EI from there to i.
        activity: share of time for which j is active: its rate times tau_ref, in (0, 1].
    Returns:
        W_eff, in the arguments' broadcast shape.
    Raises:
        DescriptionError: what is no number, or an activity outside (0, 1].
    """
    r = numbers("activity", activity)
    if not np.all((r > 0.0) & (r <= 1.0)):
        raise wrong("activity", shown(activity), "must be a rate times tau_ref, in (0, 1]", "divide by 1000 Hz")
    drive = numbers("to_interneuron", to_interneuron) * r + numbers("bias", bias)
    relay = 1.0 / (1.0 + np.exp(-drive))
    return np.asarray(numbers("direct", direct) + numbers("from_interneuron", from_interneuron) * relay / r)
