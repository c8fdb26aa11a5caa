"""Digits told apart without a teacher: what neurons learn, and how often they are right (Diehl & Cook 2015, Fig 2)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Session, Target, compile
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, GREEN, GREY, tidy
from salhw_networks.deep.data import intensities
from salhw_networks.deep.paired import half_width
from salhw_networks.digits.network import REST, SHOWN, network, normalised, showing, with_thresholds
from salhw_networks.digits.readout import Digits, assigned, clustered, likeness, told
from salhw_networks.experiment import Arrays, Claim, Progress, Work, parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEED = 15
CHANCE = 10.0  # per cent
CONDITIONS = {"learned": True, "untrained": False}
"""Whether weights learn; thresholds adapt either way."""
TITLE = "Diehl and Cook's digits, without a teacher"


@dataclass(frozen=True)
class Scale:
    """``neurons`` that are shown ``images`` training images, ``epochs`` times in an order of each epoch's own, and
    ``tested`` test images; ``seeds`` networks. ``judged``: long enough for something to be learned."""

    neurons: int
    images: int
    epochs: int
    tested: int
    seeds: int
    judged: bool = True


SCALES = {
    "smoke": Scale(neurons=16, images=40, epochs=1, tested=20, seeds=2, judged=False),
    "default": Scale(neurons=100, images=1400, epochs=3, tested=359, seeds=8),
    "paper": Scale(neurons=400, images=1400, epochs=10, tested=359, seeds=10),
}


def experiment(
    out: Path, *, scale: str = "default", target: Target | str = "reference", progress: Progress | None = None
) -> dict[str, Any]:
    """Neurons compete for images of digits and learn those that they win: receptive fields, and how often they are
    right, beside weights that have not learned and k-means with as many centres."""
    size = SCALES[scale]
    work = Work("digits", out, target, {"scale": asdict(size), "seed": SEED}, float(len(CONDITIONS)), progress)
    runs = {
        name: work.piece(name, 1.0, partial(condition, target, size, learns)) for name, learns in CONDITIONS.items()
    }
    data = {f"{name}_{part}": array for name, run in runs.items() for part, array in run.items()}
    data["k-means_right"] = without_neurons(size)
    return work.finish(TITLE, judge(data, size), data, partial(draw, data=data), scale=scale)


def sample(scale: Scale) -> tuple[FloatArray, Digits, FloatArray, Digits]:
    """Training images and their digits, test images and theirs."""
    (train, digits), (test, test_digits) = intensities("digits")
    chosen = np.random.default_rng(SEED).permutation(len(train))[: scale.images]
    return train[chosen], digits[chosen], test[: scale.tested], test_digits[: scale.tested]


def condition(target: Target | str, scale: Scale, learns: bool, progress: Progress) -> Arrays:
    """One condition: ``weights`` (seed, neuron, pixel) and ``theta`` (seed, neuron) after training, the ``spikes`` per
    image in the course of it (seed, image), and which test images are ``right`` (seed, image)."""
    training, testing = parts(progress, 2)
    trained = train(target, scale, learns, training)
    images, digits, test, test_digits = sample(scale)
    seen = np.concatenate([images, test])
    right = []
    for weights, theta, tell in zip(trained["weights"], trained["theta"], parts(testing, scale.seeds), strict=True):
        counts = answers(target, seen, weights, theta, tell)
        right.append(told(counts[len(images) :], assigned(counts[: len(images)], digits)) == test_digits)
    return {**trained, "right": np.array(right)}


def train(target: Target | str, scale: Scale, learns: bool, progress: Progress) -> Arrays:
    """Show all training images in every epoch: the seeds are instances of one session, and see the same images.
    ``theta`` follows from the spikes: what each adds fades until the end, by less than .1 % within an image."""
    images = sample(scale)[0]
    random = np.random.default_rng(SEED)
    order = np.concatenate([random.permutation(len(images)) for _ in range(scale.epochs)])
    plain = network(neurons=scale.neurons, pixels=images.shape[1])
    neuron = plain.population("excitatory").neuron.model_dump()
    begin = normalised(random.uniform(0.0, 1.0, (scale.seeds, scale.neurons, images.shape[1])))
    fade, theta = np.exp(-(SHOWN + REST) / neuron["tau_theta"]), np.zeros((scale.seeds, scale.neurons))
    spikes = []
    with compile(showing(plain, images[order]), target).open(instances=scale.seeds, seed=SEED) as session:
        session.set("projections.input.weights", begin)
        for rule in range(0 if learns else 2):
            session.set(f"projections.input.plasticity[{rule}].learning_rate", 0.0)
        for k in range(len(order)):
            counts = shown(session)
            theta = fade * theta + neuron["theta_plus"] * counts
            spikes.append(counts.sum(axis=1))
            if learns:
                session.set("projections.input.weights", normalised(session.get("projections.input.weights")))
            progress((k + 1) / len(order))
        weights = session.get("projections.input.weights")
    return {"weights": weights, "theta": theta, "spikes": np.stack(spikes, axis=1)}


def answers(
    target: Target | str, images: FloatArray, weights: FloatArray, theta: FloatArray, progress: Progress
) -> FloatArray:
    """How often each neuron spikes for each image, (image, neuron), while nothing learns or adapts."""
    still = with_thresholds(network(neurons=len(weights), pixels=images.shape[1], learning_rate=0.0), theta)
    counts = []
    with compile(showing(still, images), target).open(seed=SEED) as session:
        session.set("projections.input.weights", weights)
        for k in range(len(images)):
            counts.append(shown(session)[0])
            progress((k + 1) / len(images))
    return np.array(counts, dtype=np.float64)


def shown(session: Session) -> FloatArray:
    """The next image, and the dark after it: spikes (instance, neuron)."""
    return np.asarray(session.run(SHOWN + REST).counts["excitatory"], dtype=np.float64)


def without_neurons(scale: Scale) -> FloatArray:
    """Which test images k-means with as many centres is right about, (seed, image)."""
    train, digits, test, test_digits = sample(scale)
    return np.array([clustered(train, digits, test, scale.neurons, seed) == test_digits for seed in range(scale.seeds)])


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """What is learned, seed by seed."""
    right = {name: 100.0 * data[f"{name}_right"].mean(axis=1) for name in (*CONDITIONS, "k-means")}
    images = sample(scale)[0]
    fields = {name: [likeness(w, images).mean() for w in data[f"{name}_weights"]] for name in CONDITIONS}
    alike = {name: np.asarray(each) for name, each in fields.items()}

    def claim(what: str, paper: str, values: FloatArray, least: float | None, digits: int = 1) -> Claim:
        """That the mean over seeds lies above ``least``, with 95 % confidence."""
        mean, half = float(values.mean()), half_width(values)
        agrees = None if least is None or not scale.judged else mean - half > least
        return Claim(what, paper, f"{mean:.{digits}f} ± {half:.{digits}f} (95 %)", agrees)

    return [
        claim(f"right, in % (chance {CHANCE:g})", "82.9 with 100 neurons, MNIST", right["learned"], CHANCE),
        claim("right, learned - untrained, paired", "> 0", right["learned"] - right["untrained"], 0.0),
        claim("right, untrained", "", right["untrained"], None),
        claim("right, k-means with as many centres", "", right["k-means"], None),
        claim("right, learned - k-means", "", right["learned"] - right["k-means"], None),
        claim(
            "a field's correlation with the image most like it", "fields look like digits", alike["learned"], None, 2
        ),
        claim("the same, learned - untrained, paired", "> 0", alike["learned"] - alike["untrained"], 0.0, 2),
    ]


def draw(figure: Figure, data: Arrays) -> None:
    """Receptive fields of the first network, untrained and learned; how many images each seed is right about; spikes in
    the course of training."""
    figure.set_size_inches(11.0, 7.0)
    grid = figure.add_gridspec(2, 2)
    for column, name in enumerate(("untrained", "learned")):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(mosaic(data[f"{name}_weights"][0]), cmap="gray", interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(f"weights of each neuron: {name}", loc="left", fontsize=10)
    bars, course = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    for name, colour in {"untrained": GREY, "learned": BLUE, "k-means": GREEN}.items():
        right = 100.0 * data[f"{name}_right"].mean(axis=1)
        bars.bar(name, right.mean(), color=colour, alpha=0.5)
        bars.plot([name] * len(right), right, "o", color=colour)
    bars.axhline(CHANCE, color="#000000", linestyle=":")
    tidy(bars, "images that are told right (%); dots: seeds").set(ylim=(0, 100))
    for name, colour in {"untrained": GREY, "learned": BLUE}.items():
        spikes = data[f"{name}_spikes"].mean(axis=0)
        width = max(1, len(spikes) // 40)
        smooth = spikes[: len(spikes) // width * width].reshape(-1, width).mean(axis=1)
        course.plot((np.arange(len(smooth)) + 0.5) * width, smooth, color=colour, label=name)
    tidy(course, "spikes per image").set(xlabel="images shown", ylim=(0, None))
    course.legend(frameon=False)


def mosaic(fields: FloatArray) -> FloatArray:
    """The fields (neuron, pixel) of all neurons side by side, a dark line between two, each as bright as its largest
    weight."""
    side, across = round(fields.shape[1] ** 0.5), int(np.ceil(len(fields) ** 0.5))
    canvas = np.zeros((across, side + 1, across, side + 1))
    for k, field in enumerate(fields):
        canvas[k // across, :side, k % across, :side] = field.reshape(side, side) / max(float(field.max()), 1e-9)
    return canvas.reshape(across * (side + 1), across * (side + 1))
