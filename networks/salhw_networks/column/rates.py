"""How the populations of the column spike by themselves (Potjans and Diesmann 2014, Figure 6)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw import Target, compile
from salhw.plots.look import BLUE, RED, tidy
from salhw_networks.activity import QUANTITIES, activity, spikes_of
from salhw_networks.column.network import POPULATIONS, RATES, SIZES, network
from salhw_networks.experiment import Arrays, Claim, Progress, Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEED = 14
SETTLE = 500.0  # ms
SHOWN = 400.0  # ms in the figure
VARIANTS = {"single": False, "repeated": True}
"""Whether pairs are drawn with repetition."""
TITLE = "Potjans and Diesmann's column: spontaneous activity"


@dataclass(frozen=True)
class Scale:
    """Shares of neurons and of inputs of each, and ``duration`` ms. ``judged``: long enough for intervals between
    rare spikes."""

    neurons: float
    synapses: float
    duration: float
    judged: bool = True


SCALES = {
    "smoke": Scale(neurons=0.02, synapses=0.02, duration=500.0, judged=False),
    "default": Scale(neurons=0.1, synapses=0.1, duration=5000.0),
    "paper": Scale(neurons=1.0, synapses=1.0, duration=10_000.0),
}


def experiment(
    out: Path,
    *,
    scale: str = "default",
    variant: Literal["single", "repeated"] = "single",
    target: Target | str = "reference",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """A cortical column that nothing but noise drives: rates, regularity and synchrony of its eight populations.

    Pairs of neurons have a ``single`` synapse at most, or are drawn with repetition, as the paper does it."""
    size = SCALES[scale]
    work = Work("column", out, target, {"scale": asdict(size), "seed": SEED, "variant": variant}, 1.0, progress)
    data = work.piece("activity", 1.0, partial(spontaneous, target, size, VARIANTS[variant]))
    shown = partial(draw, data=data, scale=size)
    return work.finish(TITLE, judge(data, size), data, shown, scale=scale, variant=variant)


def spontaneous(target: Target | str, scale: Scale, repeated: bool, progress: Progress) -> Arrays:
    """``activity`` (population, quantity, 2), as ``salhw_networks.activity`` tells it, and the spikes of the last part:
    ``times`` in ms, ``neurons``, counted through all populations."""
    net = network(neurons=scale.neurons, synapses=scale.synapses, repeated=repeated)
    with compile(net, target).open(seed=SEED) as session:
        session.run(SETTLE)
        spikes = spikes_of(session, scale.duration, progress)
    first = np.cumsum([0, *(spikes[name].size for name in POPULATIONS)])
    last = {name: spikes[name].time >= spikes[name].stop - SHOWN for name in POPULATIONS}
    return {
        "activity": np.array([activity(spikes[name], net.dt) for name in POPULATIONS]),
        "times": np.concatenate([spikes[n].time[last[n]] - spikes[n].stop + SHOWN for n in POPULATIONS]),
        "neurons": np.concatenate(
            [spikes[n].neuron[last[n]] + begin for n, begin in zip(POPULATIONS, first, strict=False)]
        ),
    }


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """Their rates, and what they call asynchronous irregular: below 30 Hz, a cv of .7 to 1.2, a synchrony below 8."""
    claims = []
    for name, full, rows in zip(POPULATIONS, RATES, data["activity"], strict=True):
        value = dict(zip(QUANTITIES, rows[:, 0], strict=True))
        measured = f"{value['rate']:.2f} Hz, {value['cv']:.2f}, {value['synchrony']:.1f}"
        agrees = value["rate"] < 30.0 and 0.7 <= value["cv"] <= 1.2 and value["synchrony"] < 8.0
        expected = f"{full:.2f} Hz in full, .7-1.2, < 8"
        claims.append(Claim(f"{name}: rate, cv, synchrony", expected, measured, agrees if scale.judged else None))
    order = [rows[0, 0] for rows in data["activity"]]
    least = {POPULATIONS[k] for k in np.argsort(order)[:2]}
    fastest = POPULATIONS[int(np.argmax(order))]
    claims.append(
        Claim(
            "slowest two, fastest", "L23E and L6E, L5I", f"{' and '.join(sorted(least))}, {fastest}",
            (least == {"L23E", "L6E"} and fastest == "L5I") if scale.judged else None,
        )
    )  # fmt: skip
    return claims


def draw(figure: Figure, data: Arrays, scale: Scale) -> None:
    """Spikes of all neurons, the top layer above; rates beside those of the column in full; cv."""
    figure.set_size_inches(11.0, 6.0)
    raster, rates, variation = figure.subplots(1, 3, width_ratios=[2.2, 1.0, 1.0])
    sizes = np.rint(scale.neurons * SIZES).astype(int)
    first, colours = np.cumsum([0, *sizes]), [BLUE, RED] * (len(POPULATIONS) // 2)
    for k, colour in enumerate(colours):
        own = (data["neurons"] >= first[k]) & (data["neurons"] < first[k + 1])
        raster.plot(data["times"][own], data["neurons"][own], ",", color=colour)
    tidy(raster, "spikes").set(xlabel="time (ms)", xlim=(0, SHOWN), ylim=(first[-1], 0))
    raster.set_yticks(first[:-1] + sizes / 2, POPULATIONS)
    for axes, row, title in ((rates, 0, "rate (Hz); black: in full"), (variation, 1, "cv of intervals")):
        value, error = data["activity"][:, row].T
        axes.barh(POPULATIONS, value, xerr=error, color=colours)
        axes.invert_yaxis()
        tidy(axes, title)
    rates.plot(RATES, POPULATIONS, "|", color="#000000", markersize=14)
