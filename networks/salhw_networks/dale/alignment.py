"""Fig 9: SAL in a network that obeys Dale's law: effective weights, their symmetrisation, and changes of their sign."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw import Target, compile
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, COLOURS, GREEN, ORANGE, RED, tidy
from salhw.theory import rates
from salhw_networks.dale.network import effective_weight, network
from salhw_networks.experiment import Arrays, Claim, Progress, Work, parts
from salhw_networks.pairs.network import network as pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EE, EI, IE = (f"projections.{name}.weights" for name in ("EE", "EI", "IE"))
BIAS_E, BIAS_I = (f"populations.{name}.bias" for name in ("excitatory", "inhibitory"))
TAU_REF, STEPS = 10.0, 25  # ms; steps per tau_ref
ETA, UPDATE = 1e-3, 600.0
SEED = 9
# Starts (into 0, into 1). With W^EI = -1 an excitatory weight below 1 makes the effective weight negative.
EXCITATION = ((0.1, 1.6), (1.9, 0.5), (0.2, 0.4), (1.9, 1.5), (0.3, 1.2), (0.7, 1.9))
INHIBITION = ((-0.2, -1.5), (-1.7, -0.7), (-0.3, -0.6), (-1.9, -1.3), (-0.5, -1.1), (-0.6, -1.9))
TITLE = "Fig 9: SAL and Dale's law"


@dataclass(frozen=True)
class Scale:
    """``draws`` of the parameters' noise (draw 0 has none); ``rate_ms`` per rate, ``plane_ms`` per point of the plane,
    ``path_ms`` of learning; ``grid`` points per axis."""

    draws: int
    rate_ms: float
    grid: int
    plane_ms: float
    path_ms: float


SCALES = {
    "smoke": Scale(draws=2, rate_ms=200_000.0, grid=5, plane_ms=100_000.0, path_ms=900_000.0),
    "default": Scale(draws=16, rate_ms=400_000.0, grid=9, plane_ms=800_000.0, path_ms=1_800_000.0),
    "paper": Scale(draws=16, rate_ms=800_000.0, grid=21, plane_ms=800_000.0, path_ms=1_800_000.0),
}
VARIANTS = {"paper": (0.2, 0.2), "code": (0.1, 0.0)}  # standard deviations of W^EI and of b^E


def parameters(draws: int, variant: str) -> Arrays:
    """Table 4: (draw, 2) of W^IE, W^EI, b^E, b^I; draw 0 has the means."""
    of_inhibition, of_bias = VARIANTS[variant]
    random = np.random.default_rng([SEED, 1])
    means = {"IE": (4.0, 0.2), "EI": (-1.0, of_inhibition), "bE": (0.0, of_bias), "bI": (-2.0, 0.2)}
    drawn = {name: mean + sd * random.normal(size=(draws, 2)) for name, (mean, sd) in means.items()}
    for name, (mean, _) in means.items():
        drawn[name][0] = mean
    return drawn


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Literal["paper", "code"] = "paper",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Dale's law: SAL aligns effective weights through interneurons and changes their sign."""
    size, p = SCALES[scale], parameters(SCALES[scale].draws, variant)
    work = Work("fig9", out, target, {"scale": asdict(size), "variant": variant, "seed": SEED}, 5.0, progress)
    data = {
        **{f"rates_{k}": v for k, v in work.piece("rates", 1.0, partial(driven, target, size, p)).items()},
        **{f"plane_{k}": v for k, v in work.piece("plane", 1.0, partial(plane, target, size)).items()},
        **{f"EE_{k}": v for k, v in work.piece("EE", 1.0, partial(paths, target, size, p, "EE")).items()},
        **{f"EI_{k}": v for k, v in work.piece("EI", 1.0, partial(paths, target, size, p, "EI")).items()},
        **{f"local_{k}": v for k, v in work.piece("local", 1.0, partial(paths, target, size, p, "local")).items()},
    }
    data |= {f"parameter_{name}": value for name, value in p.items()}
    return work.finish(TITLE, judge(data), data, partial(draw, data=data), scale=scale, variant=variant)


# one way: rates and the effective weight ----


def driven(target: Target | str, scale: Scale, p: Arrays, progress: Progress) -> Arrays:
    """Neuron 1 driven by neuron 0 through both pathways, and by the equivalent single synapse (Fig 9b).

    Returns: excitation (weight,); eq38 (draw, weight); dale, direct: activity (rate * tau_ref) of neuron 1, (draw,
        weight); measured: the single weight at which the exact two-neuron theory gives the activity ``dale``.
    """
    excitation, halves = np.arange(0.0, 2.01, 0.25), parts(progress, 2)
    draws, points = len(p["IE"]), len(excitation)
    batch = draws * points
    of = {name: np.repeat(value, points, axis=0) for name, value in p.items()}
    activity = 1.0 / (1.0 + np.exp(-p["bE"][:, :1]))
    eq38 = effective_weight(excitation, p["EI"][:, 1:], p["IE"][:, :1], p["bI"][:, :1], activity)
    through, measured = one_way(target, scale.rate_ms, np.tile(excitation, draws), of, halves[0])
    with compile(pair(learning_rate=0.0, spikes=False, execution="host"), target).open(
        instances=batch, seed=SEED + 1
    ) as session:
        weights = np.zeros((batch, 2, 2))
        weights[:, 1, 0] = eq38.ravel()
        session.set("projections.pair.weights", weights)
        session.set("populations.neurons.bias", of["bE"])
        direct = _activity(session, scale.rate_ms, "neurons", halves[1])
    activities = {"dale": through, "direct": direct, "measured": measured}
    return {"excitation": excitation, "eq38": eq38, **{k: v.reshape(draws, points) for k, v in activities.items()}}


def one_way(
    target: Target | str, duration: float, excitation: FloatArray, p: Arrays, progress: Progress
) -> tuple[FloatArray, FloatArray]:
    """Neuron 1 driven by neuron 0 through both pathways, nothing going back; parameters (case, 2) as in Table 4.

    Returns: its activity (case,), and the measured effective weight: that of the single synapse with which the exact
        two-neuron theory gives the same activity.
    """
    from scipy.optimize import brentq

    weights, inhibition = np.zeros((len(excitation), 2, 2)), p["EI"].copy()
    weights[:, 1, 0], inhibition[:, 0] = excitation, 0.0
    with compile(network(learning_rate=0.0), target).open(instances=len(excitation), seed=SEED) as session:
        for path, value in ((EE, weights), (EI, inhibition), (IE, p["IE"]), (BIAS_E, p["bE"]), (BIAS_I, p["bI"])):
            session.set(path, value)
        activity = _activity(session, duration, "excitatory", progress)

    def inverted(seen: float, bias: FloatArray) -> float:
        def gap(w: float) -> float:
            return float(rates([[0.0, 0.0], [w, 0.0]], bias, np.ones(STEPS), STEPS)[1]) * STEPS - seen

        return float(brentq(gap, -6.0, 6.0, xtol=1e-6))

    return activity, np.array([inverted(seen, bias) for seen, bias in zip(activity, p["bE"], strict=True)])


def _activity(session: Any, duration: float, population: str, progress: Progress) -> FloatArray:
    """Rate * tau_ref of neuron 1, (instance,)."""
    session.run(50.0 * TAU_REF)
    counts = session.run(duration, progress=progress).counts[population]
    return np.asarray(counts[:, 1] * (TAU_REF / duration), dtype=np.float64)


# both ways: the phase plane and learning ----


def plane(target: Target | str, scale: Scale, progress: Progress) -> Arrays:
    """SAL's mean change of both W^EE at every point of a grid, without learning (Fig 9c); nominal parameters.

    Returns: grid (n,); drift (n, n, 2): of (W_01, W_10) per tau_ref and unit learning rate at W_01 = grid[i],
        W_10 = grid[j].
    """
    grid = np.linspace(0.0, 2.0, scale.grid)
    start = np.zeros((scale.grid, scale.grid, 2, 2))
    start[..., 0, 1], start[..., 1, 0] = grid[:, None], grid
    start = np.maximum(start.reshape(-1, 2, 2), 1e-3)  # above the bound at 0, which would cut a change downwards
    tiny = 1e-9  # so that the weights stand still: what they change by is the pair sums
    with compile(network(learning_rate=tiny, update="run end"), target).open(
        instances=len(start), seed=SEED + 2
    ) as session:
        session.set(EE, start)
        session.run(50.0 * TAU_REF)
        session.set(EE, start)
        before = session.get(EE)
        session.run(scale.plane_ms, progress=progress)
        change = (session.get(EE) - before) / (tiny * scale.plane_ms / TAU_REF)
    drift = np.stack([change[:, 0, 1], change[:, 1, 0]], axis=-1)
    return {"grid": grid, "drift": drift.reshape(scale.grid, scale.grid, 2)}


def paths(target: Target | str, scale: Scale, p: Arrays, where: str, progress: Progress) -> Arrays:
    """Weights under SAL on W^EE ("EE"), or on W^EI: by the spikes of the two excitatory neurons ("EI"), or by those of
    the synapse's own two neurons, interneuron and excitatory one ("local"). From all starts, with all draws.

    Returns: time (ms); weights: effective (Eq 38) and learning ones, (time, start, draw, kind, 2), the last dimension
        (into 0, into 1); measured_ends: effective weights at the end, measured by ``one_way``, (start, draw, 2).
    """
    starts = np.array(EXCITATION if where == "EE" else INHIBITION)
    draws, samples, steps = len(p["IE"]), 60, parts(progress, 3)
    batch, period = len(starts) * draws, scale.path_ms / samples

    def spread(values: FloatArray) -> FloatArray:
        return np.tile(values, (len(starts), 1))

    start = np.repeat(starts, draws, axis=0)
    # On W^EI by excitatory spikes: SAL runs on W^EE, whose changes are moved to W^EI after each period.
    moved = where == "EI"
    every = "run end" if moved else f"every {UPDATE:g} ms"
    eta = (0.0, ETA) if where == "local" else (ETA, 0.0)
    net = network(learning_rate=eta[0], inhibitory_rate=eta[1], update=every)
    inner = max(1, round(period / 3000.0)) if moved else 1
    held = []
    with compile(net, target).open(instances=batch, seed=SEED + 3) as session:
        ones = np.zeros((batch, 2, 2))
        ones[:, 0, 1], ones[:, 1, 0] = start.T if where == "EE" else np.ones((2, batch))
        session.set(EE, ones)
        session.set(EI, spread(p["EI"]) if where == "EE" else start)
        session.set(IE, spread(p["IE"]))
        session.set(BIAS_E, spread(p["bE"]))
        session.set(BIAS_I, spread(p["bI"]))
        held.append(_weights(session))
        for k in range(samples * inner):
            session.run(period / inner)
            if moved:
                change = _weights(session)[0] - 1.0
                session.set(EE, ones)
                session.set(EI, np.minimum(session.get(EI) + change, 0.0))
            if (k + 1) % inner == 0:
                held.append(_weights(session))
                steps[0]((k + 1) / (samples * inner))
    excitation, inhibition = np.moveaxis(np.array(held), 1, 0)
    # Synapse 0 comes from neuron 1 and passes its interneuron.
    source = [1, 0]
    activity = 1.0 / (1.0 + np.exp(-spread(p["bE"])[:, source]))
    effective = effective_weight(
        excitation, inhibition, spread(p["IE"])[:, source], spread(p["bI"])[:, source], activity
    )
    learning = excitation if where == "EE" else inhibition
    shape = (samples + 1, len(starts), draws, 2)
    both = np.stack([effective.reshape(shape), learning.reshape(shape)], axis=3)
    # Both directions in turn: the other one is the same with the neurons renamed.
    end = {"IE": spread(p["IE"]), "EI": inhibition[-1], "bE": spread(p["bE"]), "bI": spread(p["bI"])}
    measured = [
        one_way(target, scale.rate_ms, excitation[-1][:, into], {k: v[:, order] for k, v in end.items()}, measuring)[1]
        for into, order, measuring in ((0, [1, 0], steps[1]), (1, [0, 1], steps[2]))
    ]
    ends = np.stack(measured, axis=-1).reshape(shape[1:])
    return {"time": period * np.arange(samples + 1), "weights": both, "measured_ends": ends}


def _weights(session: Any) -> tuple[FloatArray, FloatArray]:
    """(W^EE, W^EI), each (instance, 2): into 0, into 1."""
    excitation = session.get(EE)
    return np.stack([excitation[:, 0, 1], excitation[:, 1, 0]], axis=1), session.get(EI)


# table and picture ----


def gaps(data: Arrays, where: str) -> tuple[FloatArray, FloatArray]:
    """|difference of the two effective weights| at the start and at the end, (start, draw)."""
    effective = data[f"{where}_weights"][..., 0, :]
    size = np.abs(effective[..., 0] - effective[..., 1])
    return size[0], size[-5:].mean(axis=0)


def sign_changes(data: Arrays, where: str) -> tuple[int, int]:
    """How many pairs of effective weights have opposite signs at the start, and at the end; nominal parameters."""
    effective = data[f"{where}_weights"][:, :, 0, 0]
    first, last = effective[0], effective[-5:].mean(axis=0)
    return int((first.prod(axis=-1) < 0).sum()), int((last.prod(axis=-1) < 0).sum())


def judge(data: Arrays) -> list[Claim]:
    """What sections 2.5 and 4.6 say."""
    off = np.abs(data["rates_dale"] / data["rates_direct"] - 1.0)
    error = data["rates_measured"] - data["rates_eq38"]
    claims = [
        Claim(
            "rate through both pathways against the equivalent synapse (largest relative difference)",
            "close correspondence",
            f"{off[0].max():.1%}; with noisy parameters {off.max():.1%}, median {np.median(off):.1%}",
            bool(off[0].max() < 0.05),
        ),
        Claim(
            "measured effective weight less Eq 38's: mean, and largest size",
            "close correspondence",
            f"{error.mean():+.3f}, {np.abs(error).max():.3f}",
        ),
    ]
    names = {
        "EE": ("SAL on W^EE only", "symmetrises reliably, can change signs"),
        "EI": ("SAL on W^EI only, by the excitatory neurons' spikes", "qualitatively the same"),
        "local": ("SAL on W^EI only, by the interneuron's own spikes", "(not said)"),
    }
    for where, (what, paper) in names.items():
        first, last = gaps(data, where)
        before, after = sign_changes(data, where)
        seen = np.abs(np.diff(data[f"{where}_measured_ends"], axis=-1)[..., 0])
        start, end = np.median(first[:, 0]), np.median(last[:, 0])
        start_noisy, noisy = np.median(first[:, 1:]), np.median(last[:, 1:])
        said = f"difference {start:.2f} -> {end:.2f}, with noisy parameters {start_noisy:.2f} -> {noisy:.2f} "
        said += f"by Eq 38, {np.median(seen[:, 1:]):.2f} measured; "
        said += f"pairs of opposite sign {before} -> {after} of {len(first)}"
        good = bool(end < 0.2 * start and after == 0)
        if where == "local":
            said += f"; median W^EI at the end {np.median(data['local_weights'][-1, ..., 1, :]):.2f}"
        claims.append(Claim(what, paper, said, None if where == "local" else good))
    return claims


def draw(figure: Figure, data: Arrays) -> None:
    """Rates, the phase plane with paths, and the effective weights over time."""
    figure.set_size_inches(11.0, 8.0)
    (b, c), (d, e) = figure.subplots(2, 2)
    for k in range(len(data["rates_dale"])):
        faint = 1.0 if k == 0 else 0.25
        b.plot(data["rates_excitation"], data["rates_dale"][k], "o", mfc="none", color=BLUE, alpha=faint)
        b.plot(data["rates_excitation"], data["rates_direct"][k], "s-", color=ORANGE, alpha=faint, markersize=3)
    b.plot([], [], "o", mfc="none", color=BLUE, label="E-I")
    b.plot([], [], "s-", color=ORANGE, markersize=3, label="single synapse of Eq 38's weight")
    b.set(xlabel="$W_{21}^{EE}$", ylabel="rate of neuron 2 ($1/\\tau_{ref}$)")
    b.legend(frameon=False)
    tidy(b, "b  rates (strong colour: no parameter noise)")
    grid, drift = data["plane_grid"], data["plane_drift"]
    effective = effective_weight(grid, -1.0, 4.0, -2.0, 0.5)
    size = np.hypot(drift[..., 0], drift[..., 1])
    c.contourf(effective, effective, size.T, 15, cmap="GnBu", alpha=0.9)
    c.quiver(effective, effective, drift[..., 0].T, drift[..., 1].T, pivot="mid", width=0.004)
    c.contour(effective, effective, (drift[..., 0] - drift[..., 1]).T, [0.0], colors=RED)
    for k, colour in enumerate((BLUE, GREEN, ORANGE)):
        path = data["EE_weights"][:, k, 0, 0]
        c.plot(path[:, 0], path[:, 1], color=colour)
        c.plot(*path[0], "o", color=colour)
    c.axline((0, 0), slope=1, color="#999999", linestyle="--", linewidth=1)
    c.set(xlabel="$W_{12}^{eff}$", ylabel="$W_{21}^{eff}$", aspect="equal", xlim=(-1, 1), ylim=(-1, 1))
    tidy(c, "c  phase plane, SAL on $W^{EE}$; red: the attractor")
    for axes, where, title in ((d, "EE", "d  SAL on $W^{EE}$ only"), (e, "EI", "e  SAL on $W^{EI}$ only")):
        effective = data[f"{where}_weights"][:, :, 0, 0]
        for k in range(effective.shape[1]):
            axes.plot(data[f"{where}_time"] / 1000.0, effective[:, k], color=COLOURS[k % len(COLOURS)], linewidth=1.2)
        axes.axhline(0.0, color="#000000", linewidth=0.6)
        axes.set(xlabel="time (s)", ylabel="effective weights, a colour for each pair")
        tidy(axes, title)
