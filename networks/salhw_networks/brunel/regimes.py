"""The four states of Brunel's network (2000, Figure 8): synchronous or not, regular or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Target, compile
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, tidy
from salhw_networks.activity import QUANTITIES, activity, spikes_of
from salhw_networks.brunel.network import REGIMES, network
from salhw_networks.brunel.theory import stationary_rate
from salhw_networks.experiment import Arrays, Claim, Progress, Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salhw import SpikeTrains

SEED = 8
SETTLE = 300.0  # ms
BIN = 0.5  # ms, of the population's activity
SHOWN, SHOWN_TIME = 50, 200.0  # neurons and ms in the figure
REGULAR, SYNCHRONOUS = 0.2, 0.04  # the largest cv of regular neurons; the least correlation in a synchronous state
CLOSE = 0.25  # how far the theory's rate may be off: its network is infinite, and nothing in it correlates
TITLE = "Brunel's network: four states"


@dataclass(frozen=True)
class Scale:
    """``size`` neurons, excitatory weights of ``weight`` mV, ``duration`` ms. ``judged``: as large as the states need
    to be told apart."""

    size: int
    weight: float
    duration: float
    judged: bool = True


SCALES = {
    "smoke": Scale(size=1000, weight=0.5, duration=500.0, judged=False),
    "default": Scale(size=10_000, weight=0.1, duration=1000.0),
    "paper": Scale(size=12_500, weight=0.1, duration=2000.0),
}


def experiment(
    out: Path, *, scale: str = "default", target: Target | str = "reference", progress: Progress | None = None
) -> dict[str, Any]:
    """Four states of a sparse network of excitation and inhibition: synchronous or not, regular or not."""
    size = SCALES[scale]
    key = {"scale": asdict(size), "seed": SEED}
    work = Work("brunel", out, target, key, float(len(REGIMES)), progress)
    runs = {name: work.piece(name.replace(" ", "-"), 1.0, partial(state, target, name, size)) for name in REGIMES}
    data = {f"{name.replace(' ', '-')}_{part}": array for name, run in runs.items() for part, array in run.items()}
    return work.finish(TITLE, judge(runs, size), data, partial(draw, runs=runs), scale=scale)


def state(target: Target | str, regime: str, scale: Scale, progress: Progress) -> Arrays:
    """The activity of the excitatory neurons in one regime (``activity``), how many spike in each BIN (``spiking``) and
    at the end, by some, when (``times`` in ms, ``neurons``)."""
    net = network(*REGIMES[regime], size=scale.size, weight=scale.weight)
    with compile(net, target).open(seed=SEED) as session:
        session.run(SETTLE)
        spikes = spikes_of(session, scale.duration, progress)["excitatory"]
    last = (spikes.time >= spikes.stop - SHOWN_TIME) & (spikes.neuron < SHOWN)
    return {
        "activity": activity(spikes, net.dt),
        "spiking": binned(spikes),
        "times": spikes.time[last] - spikes.start,
        "neurons": spikes.neuron[last],
    }


def binned(spikes: SpikeTrains) -> FloatArray:
    """The mean rate of a population in Hz, in each BIN of a recording."""
    bins = int((spikes.stop - spikes.start) / BIN + 1e-9)
    count, _ = np.histogram(spikes.time, bins, (spikes.start - 1e-6, spikes.start + bins * BIN - 1e-6))
    return np.asarray(1000.0 * count / (spikes.size * BIN))


def frequency(spiking: FloatArray) -> float:
    """Where the spectrum of a population's activity is highest, in Hz."""
    power = np.abs(np.fft.rfft(spiking - spiking.mean()))
    return float(np.fft.rfftfreq(len(spiking), BIN / 1000.0)[power.argmax()])


def judge(runs: dict[str, Arrays], scale: Scale) -> list[Claim]:
    """Section 4 and Figure 8; rates against Eqs 21 and 22, where inhibition prevails."""
    claims = []
    for name, run in runs.items():
        rate, cv, fast, slow, _ = run["activity"][:, 0]
        together = max(fast, slow)
        synchronous, regular = name.startswith("S"), name.endswith("R")
        judged = {"cv": (cv < REGULAR) == regular, "pairs": (together > SYNCHRONOUS) == synchronous}
        words = "synchronous" if synchronous else "asynchronous", "regular" if regular else "irregular"
        measured = f"{together:.3f}, {frequency(run['spiking']):.0f} Hz"
        if not regular:
            inhibition, drive = REGIMES[name]
            expected = stationary_rate(inhibition, drive, round(0.08 * scale.size), scale.weight)
            judged["rate"] = abs(rate / expected - 1.0) < CLOSE
            claims.append(Claim(f"{name}: rate", f"{expected:.1f} Hz (Eq 22)", f"{rate:.1f} Hz", judged["rate"]))
        claims += [
            Claim(f"{name}: cv of intervals", words[1], f"{cv:.2f}", judged["cv"]),
            Claim(f"{name}: correlation of pairs, frequency of all", words[0], measured, judged["pairs"]),
        ]
    return claims if scale.judged else [Claim(c.what, c.paper, c.measured) for c in claims]


def draw(figure: Figure, runs: dict[str, Arrays]) -> None:
    """For each state the spikes of some neurons above, the activity of all below."""
    figure.set_size_inches(11.0, 7.0)
    panels = figure.subplots(4, 2, height_ratios=[2.0, 1.0] * 2, sharex=True)
    pairs = [(panels[row, column], panels[row + 1, column]) for row in (0, 2) for column in (0, 1)]
    for (top, bottom), (name, run) in zip(pairs, runs.items(), strict=True):
        inhibition, drive = REGIMES[name]
        values = dict(zip(QUANTITIES, run["activity"][:, 0], strict=True))
        begin = len(run["spiking"]) * BIN - SHOWN_TIME
        top.plot(run["times"] - begin, run["neurons"], "|", color="#000000", markersize=3)
        bottom.fill_between(np.arange(round(SHOWN_TIME / BIN)) * BIN, run["spiking"][-round(SHOWN_TIME / BIN) :],
                            step="post", color=BLUE)  # fmt: skip
        tidy(top, f"{name}: g = {inhibition:g}, drive {drive:g}; {values['rate']:.1f} Hz, cv {values['cv']:.2f}")
        top.set(ylabel="neuron", ylim=(-1, SHOWN))
        tidy(bottom).set(ylabel="rate (Hz)", xlim=(0, SHOWN_TIME))
    for axes in panels[-1]:
        axes.set_xlabel("time (ms)")
