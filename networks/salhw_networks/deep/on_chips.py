"""Fig 7 on chips: a net that fits one, whose feedback weights are aligned there, a chip for each seed.

Training is PyTorch's, the spiking phase before each epoch the chip's. The question is whether feedback weights from a
chip, with all that makes it differ from its description, train the net better than fixed random ones; copying the
registers that hold the forward ones (``BP+FA``, where the host can read them) is the ceiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Calibration, Chip, Network, Target
from salhw.plots.look import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, tidy
from salhw.registry import resolve
from salhw.substrate.support import on_chip
from salhw_networks.deep.methods import SAL
from salhw_networks.deep.paired import as_file_name, over_chips
from salhw_networks.deep.settings import Architecture, Training
from salhw_networks.experiment import Arrays, Claim, Progress, Work, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALIBRATED, REFERENCE = "SAL, calibrated sensors", "SAL, reference phase"
COLOURS = {"BP+FA": BLUE, "FA": ORANGE, "SAL": GREEN, CALIBRATED: SKY, REFERENCE: PURPLE}
OF_CIRCUITS = (CALIBRATED, REFERENCE)
"""Methods that are about what the plasticity circuits of a chip differ by."""
BRANCHES = ("causal_amplitude", "anticausal_amplitude")
WAFER = 7
DIGITS = Training(data="digits", architecture=Architecture((), (48, 24)), images=0)


@dataclass(frozen=True)
class Way:
    """How chips align: by a ``rule`` of their own, all layers at once or one ``tile`` of a layer after the other."""

    rule: SAL
    tile: tuple[int, int] | None = None


WAYS = (
    Way(SAL()),
    Way(SAL(pairing="nearest_restricted", update="every 750 ms"), (32, 24)),
    Way(SAL(update="spike")),
)
"""What a chip itself may be able to do, the first that it can is taken. In tiles the plasticity processor of
``brainscales2`` reads a sensor four times as often as in the whole net, before it is full."""


@dataclass(frozen=True)
class Scale:
    """How much to run: ``chips``, with a seed each; ``epochs``, with ``updates`` before each, of ``replicas`` times 2 s
    of the chip's biological time; ``reference`` updates without weights; each part of a ``calibration`` in ms."""

    chips: int
    epochs: int
    updates: int
    replicas: int
    reference: int
    calibration: float


SCALES = {
    "smoke": Scale(chips=2, epochs=2, updates=1, replicas=6, reference=2, calibration=5_000.0),
    "medium": Scale(chips=10, epochs=1, updates=2, replicas=6, reference=8, calibration=10_000.0),
    "default": Scale(chips=10, epochs=4, updates=3, replicas=18, reference=8, calibration=20_000.0),
    "paper": Scale(chips=10, epochs=20, updates=5, replicas=36, reference=15, calibration=100_000.0),
}


def suited(target: Target) -> Way:
    """The first of WAYS that chips of this target work out themselves; the first of all, if there is none."""
    own = [way for way in WAYS if all(on_chip(r, target.scaled_for("feedback_0")) for r in way.rule.rules())]
    return (own or list(WAYS))[0]


def experiment(out: Path, target: Target, scale: Scale, progress: Progress | None, /, **more: Any) -> dict[str, Any]:
    """Fig 7 on chips of ``target``; ``more`` goes into the JSON file."""
    if "execution" in target.options:  # the same process models without Lava's runtime: a quarter of the time
        target = target.with_options(execution="in-process")
    if "weight_exponent" in target.options:
        target = target.with_options(weight_exponent="auto")
    training = replace(DIGITS, epochs=scale.epochs, updates=scale.updates)
    names = methods(target)
    key = {"scale": asdict(scale), "training": asdict(training), "way": asdict(suited(target))}
    runs = [(method, chip) for chip in range(scale.chips) for method in names]
    work = Work("fig7", out, target, key, len(runs), progress)
    results = side_by_side(work, [partial(one, work, training, scale, *run) for run in runs])
    data = {
        name: np.stack([np.stack([r[name] for r in results[k :: len(names)]]) for k in range(len(names))])
        for name in results[0]
    }
    title = f"Fig 7 on {target.name}: digits"
    return work.finish(title, judge(data, names), data, partial(draw, data=data, names=names), **more)


def methods(target: Target) -> tuple[str, ...]:
    """Those that are tried on chips of this target."""
    spreads = [target.variability[name].sd for name in BRANCHES if name in target.variability]
    differ = any(sd > 0.0 for sd in spreads)
    return tuple(name for name in COLOURS if differ or name not in OF_CIRCUITS)


def one(work: Work, training: Training, scale: Scale, method: str, chip: int) -> Arrays:
    """One run."""
    kept = work.path(f"calibration-{chip}", calibrated)  # whose code it depends on
    compute = partial(trained, training, scale, method, chip, work.target, work.say, kept)
    return work.piece_with_checkpoint(f"{as_file_name(method)}-{chip}", 1.0, compute)


def calibrated(target: Target, scale: Scale, chips: Sequence[Chip], kept: Path, net: Network) -> Calibration:
    """The correlation sensors of chips, calibrated for ``net``; measured once for all nets of its sizes, which are in
    the same places, and kept beside ``kept``."""
    from salhw_calibration import Calibration as Measured
    from salhw_calibration import calibrate_sensors

    path = kept.with_stem("-".join([kept.stem, *(str(layer.size) for layer in net.populations)]))
    if not path.exists():
        calibrate_sensors(target, chips, net, duration=scale.calibration, seed=WAFER).save(path)
    return Measured.load(path)


def trained(
    training: Training, scale: Scale, method: str, chip: int, target: Target | str, say: Callable[[str], None],
    calibration: Path, checkpoint: Path, progress: Progress,
) -> Arrays:  # fmt: skip
    """See ``training.train``; PyTorch is imported here."""
    from salhw_networks.deep.training import train

    target = resolve(target)
    way, chips = suited(target), target.sample_chips(scale.chips, seed=WAFER)[chip:][:1]
    options = {
        "method": way.rule, "tile": way.tile, "replicas": scale.replicas, "chips": chips,
        "calibration": partial(calibrated, target, scale, chips, calibration) if method == CALIBRATED else None,
        "reference_phase": scale.reference if method == REFERENCE else 0,
    }  # fmt: skip
    name = "SAL, running mean" if method.startswith("SAL") else method
    return train(training, name, chip, target, checkpoint, progress, say, options)


def judge(data: Arrays, names: Sequence[str]) -> list[Claim]:
    """What each method gives, and whether alignment on the chip is better than fixed random weights; paired, as all
    methods have the same chips and seeds."""
    accuracy = dict(zip(names, data["accuracy"], strict=True))
    epochs = data["accuracy"].shape[-1]
    claims = [
        Claim(
            f"{method}: angles of the layers in degrees, and accuracy in %, after epoch {epochs}",
            "-",
            f"{', '.join(f'{a:.0f}' for a in data['angles'][k, :, -1].mean(axis=0))}; {found[:, -1].mean():.1f}",
        )
        for k, (method, found) in enumerate(accuracy.items())
    ]
    angle = dict(zip(names, data["angles"][:, :, -1].mean(axis=-1), strict=True))
    last = {method: found[:, -1] for method, found in accuracy.items()}
    for method in names[2:]:
        claims.append(over_chips(last, method, "FA", "accuracy", "points", higher=True))
        claims.append(over_chips(last, "BP+FA", method, "accuracy", "points"))
    for method in names[3:]:
        claims.append(over_chips(last, method, "SAL", "accuracy", "points"))
        claims.append(over_chips(angle, method, "SAL", "mean angle of the layers", "degrees"))
    return claims


def draw(figure: Figure, data: Arrays, names: Sequence[str]) -> None:
    """After the last epoch: accuracy, a line for each chip, and the angles of the layers, by method."""
    figure.set_size_inches(8.5, 4.2)
    first, second = figure.subplots(1, 2)
    accuracy, angles, place = data["accuracy"][:, :, -1], data["angles"][:, :, -1], np.arange(len(names))
    first.plot(place, accuracy, color=GREY, linewidth=0.7)
    for k, method in enumerate(names):
        first.plot(k, accuracy[k].mean(), "o", color=COLOURS[method])
    for l in range(angles.shape[-1]):
        mean, sd = angles[:, :, l].mean(axis=1), angles[:, :, l].std(axis=1, ddof=1)
        shown: dict[str, Any] = {"fmt": "osD"[l % 3], "markersize": 4, "color": (BLACK, BLUE, ORANGE)[l % 3]}
        second.errorbar(place + 0.1 * (l - 1), mean, sd, label=f"layer {l + 1}", **shown)
    for axes in (first, second):
        axes.set_xticks(place, [name.replace(" ", "\n") for name in names])
        axes.tick_params(axis="x", labelsize="small")
    first.set(ylabel="test accuracy (%)")
    second.set(ylabel="angle (degrees)", ylim=(0, 95))
    tidy(first, "accuracy of each chip, and mean")
    tidy(second, "angles, mean and standard deviation")
    second.legend(frameon=False)
