"""Fig 7 and Table 5: how well a ConvNet learns, by the way in which errors go backward in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw.description.fields import FloatArray
from salhw.diagnostics.arguments import known_name
from salhw.plots.look import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, curve, legend_above, tidy
from salhw.registry import resolve
from salhw.substrate.target import Target
from salhw_networks.deep import on_chips
from salhw_networks.deep.data import DataName, load
from salhw_networks.deep.extra import refuse_missing
from salhw_networks.deep.paired import against, as_file_name
from salhw_networks.deep.settings import AUTHORS, METHODS, Architecture, Training, as_in_code
from salhw_networks.experiment import Arrays, Claim, Progress, Work, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ScaleName = Literal["smoke", "default", "medium", "paper"]
Variant = Literal["paper", "code"]
VARIANTS = ("paper", "code")
MEAN = "SAL, running mean"
COLOURS = dict(zip(METHODS, (BLACK, BLUE, ORANGE, PURPLE, SKY, GREEN, RED, GREY), strict=False))
TABLE_5: dict[str, dict[str, float]] = {
    "cifar10": {"BP": 83.8, "BP+FA": 80.4, "FA": 69.5, "SCFA": 78.4, "SAL": 79.6, "KP": 78.7, "RDD": 78.7},
    "fmnist": {"BP": 92.1, "BP+FA": 91.5, "FA": 90.0, "SCFA": 91.4, "SAL": 91.5, "KP": 90.8, "RDD": 91.5},
    "svhn": {"BP": 93.5, "BP+FA": 91.9, "FA": 84.0, "SCFA": 90.5, "SAL": 91.5, "KP": 90.9, "RDD": 89.2},
}
"""Mean final test accuracies in % (paper Table 5)."""


@dataclass(frozen=True)
class Scale:
    """How much to run: ``methods``, all with the same ``seeds``, and the training that they have in common."""

    methods: tuple[str, ...]
    seeds: int
    training: Training


SCALES: dict[ScaleName, Scale] = {
    "smoke": Scale(("BP+FA", "FA", MEAN, "RDD"), 3, Training(images=0, epochs=2, updates=3)),
    "default": Scale(tuple(METHODS), 6, Training()),
    "medium": Scale(tuple(METHODS), 5, Training(images=0, epochs=10)),
    "paper": Scale(tuple(METHODS), 5, Training(images=0, epochs=200, architecture=AUTHORS)),
}
DATA_OF_SCALE: dict[ScaleName, DataName] = {"smoke": "mnist5k"}
"""Where no data set is named; Fashion-MNIST else."""


def chosen_scale(scale: ScaleName, variant: Variant, data: DataName | None) -> Scale:
    """A scale with its data set. The digits of 8 x 8 pixels are for a fully connected network; the authors' code has
    100 epochs."""
    size = SCALES[scale]
    training = replace(size.training, data=data or DATA_OF_SCALE.get(scale, "fmnist"))
    if training.data == "digits":
        training = replace(training, architecture=Architecture((), (48, 24)))
    if variant == "code":
        training = replace(as_in_code(training), epochs=100 if scale == "paper" else training.epochs)
    return replace(size, training=training)


def fig7(
    out: Path,
    *,
    scale: ScaleName = "default",
    target: Target | str = "reference",
    variant: Variant = "paper",
    data: DataName | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Deep networks: accuracy and alignment during training, with feedback weights from SAL and other methods.

    On a chip, a target that rounds weights, it is a net of digits that fits, and the question is another one
    (``on_chips``).
    """
    chip = resolve(target)
    if chip.weight_bits is not None:
        refuse_missing("torch", "sklearn")
        size = on_chips.SCALES[known_name("scale", scale, on_chips.SCALES, code="SAL902")]
        known_name("data", data or "digits", ["digits"], code="SAL902", fix="chips hold the net of the digits")
        more = {"scale": scale, "variant": variant, "data": "digits"}
        return on_chips.experiment(out, chip, size, progress, **more)
    return experiment("fig7", out, scale=scale, target=target, variant=variant, data=data, progress=progress)


def table5(
    out: Path,
    *,
    scale: ScaleName = "default",
    target: Target | str = "reference",
    variant: Variant = "paper",
    data: DataName | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Deep networks: final accuracies by method, beside the paper's."""
    return experiment("table5", out, scale=scale, target=target, variant=variant, data=data, progress=progress)


def experiment(
    name: Literal["fig7", "table5"], out: Path, *, scale: ScaleName, target: Target | str, variant: Variant,
    data: DataName | None, progress: Progress | None,
) -> dict[str, Any]:  # fmt: skip
    """Train everything, or what is missing, and judge it; both experiments share their finished pieces."""
    refuse_missing("torch")
    size = chosen_scale(scale, variant, data)
    load(size.training.data)  # what stands in the way is told before anything runs
    runs = [(method, seed) for method in size.methods for seed in range(size.seeds)]
    work = Work("deep", out, target, {"training": asdict(size.training)}, len(runs), progress)
    results = side_by_side(work, [partial(one, work, size.training, *run) for run in runs])
    measured = {
        metric: np.stack([r[metric] for r in results]).reshape(len(size.methods), size.seeds, *results[0][metric].shape)
        for metric in results[0]
    }
    work.name, work.key = name, {"scale": asdict(size), "variant": variant}
    judged = {"fig7": course, "table5": final}[name]
    title = {"fig7": "Fig 7: deep networks", "table5": "Table 5: final accuracies"}[name]
    by_method = {m: measured["accuracy"][k] for k, m in enumerate(size.methods)}
    claims = judged(by_method, dict(zip(size.methods, measured["angles"], strict=True)), size.training.data)
    more = {"scale": scale, "variant": variant, "data": size.training.data, "methods": list(size.methods)}
    return work.finish(
        f"{title} ({size.training.data})", claims, measured, partial(draw, data=measured, methods=size.methods), **more
    )


def one(work: Work, training: Training, method: str, seed: int) -> Arrays:
    """One run."""
    compute = partial(trained, training, method, seed, work.target, work.say)
    return work.piece_with_checkpoint(f"{as_file_name(method)}-{seed}", 1.0, compute)


def trained(
    training: Training, method: str, seed: int, target: Target | str, say: Callable[[str], None], checkpoint: Path,
    progress: Progress,
) -> Arrays:  # fmt: skip
    """See ``training.train``; PyTorch is imported here."""
    from salhw_networks.deep.training import train

    return train(training, method, seed, target, checkpoint, progress, say)


# what is asked -------------------------------------------------------------------------------------------------------


def course(accuracy: Mapping[str, FloatArray], angles: Mapping[str, FloatArray], data: str) -> list[Claim]:
    """What section 2.4.3 says about Fig 7."""
    epochs = next(iter(accuracy.values())).shape[1]
    shown = sorted({1, min(3, epochs), epochs})
    claims = []
    for method in [m for m in ("SAL", MEAN) if m in accuracy]:
        claims += [against(accuracy, method, "FA", e, "higher", higher=True) for e in shown]
        claims += [against(accuracy, "BP+FA", method, e, "slightly higher", higher=None) for e in shown]
        for other in [m for m in ("KP", "SCFA", "RDD") if m in accuracy]:
            claims.append(against(accuracy, method, other, epochs, "slightly higher", higher=None))
    for method, found in angles.items():
        first, last = (", ".join(f"{a:.0f}" for a in found[:, e].mean(axis=0)) for e in (0, -1))
        paper = "lower than FA's" if method in ("SAL", MEAN) else "-"
        lower = None
        if method in ("SAL", MEAN) and method in angles and "FA" in angles:
            lower = bool((found[:, -1] < angles["FA"][:, -1]).all())
        claims.append(Claim(f"angles of the layers in degrees, epoch 1 and the last: {method}", paper,
                            f"{first}; {last}", lower))  # fmt: skip
    return claims


def final(accuracy: Mapping[str, FloatArray], angles: Mapping[str, FloatArray], data: str) -> list[Claim]:
    """Table 5's row, and which differences are significant."""
    paper, epochs = TABLE_5.get(data, {}), next(iter(accuracy.values())).shape[1]
    claims = [
        Claim(
            f"{method}: accuracy in %, mean ± standard deviation over {len(found)} seeds, after epoch {epochs}",
            f"{paper[method]} after 200" if method in paper else "-",
            f"{found[:, -1].mean():.1f} ± {found[:, -1].std(ddof=1):.1f}",
        )
        for method, found in accuracy.items()
    ]
    others = [m for m in accuracy if m != "FA"]
    claims += [against(accuracy, m, "FA", epochs, "higher", higher=True) for m in others]
    return claims + [
        against(accuracy, "BP+FA", m, epochs, "slightly higher", higher=None)
        for m in others
        if m not in ("BP", "BP+FA")
    ]


def draw(figure: Figure, data: Arrays, methods: tuple[str, ...]) -> None:
    """Accuracy, and the angle of each layer, by epoch."""
    layers = data["angles"].shape[-1]
    figure.set_size_inches(4.0 + 2.8 * layers, 3.8)
    first, *rest = figure.subplots(1, 1 + layers, width_ratios=[1.6, *[1.0] * layers])
    epoch = np.arange(1, data["accuracy"].shape[-1] + 1)
    for k, method in enumerate(methods):
        curve(first, epoch, data["accuracy"][k], colour=COLOURS[method], label=method)
        for l, axes in enumerate(rest):
            curve(axes, epoch, data["angles"][k, :, :, l], colour=COLOURS[method])
    for axes in (first, *rest):
        axes.xaxis.get_major_locator().set_params(integer=True)
    first.set(xlabel="epoch", ylabel="test accuracy (%)")
    tidy(first, "b1  accuracy")
    for l, axes in enumerate(rest):
        axes.set(xlabel="epoch", ylabel="angle (degrees)" if l == 0 else "", ylim=(0, 95))
        tidy(axes, f"b2  layer {l + 1}")
    legend_above(figure, first, "mean and central 68 % of the seeds")
