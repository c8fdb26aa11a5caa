"""What pictures draw, read back from matplotlib's own lines, bars and patches."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from salhw import (
    GLM,
    SAL,
    AllToAll,
    Current,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Recording,
    Source,
    Spikes,
    SpikeTrains,
)
from salhw.diagnostics import DescriptionError, SessionError, UnknownNameError
from salhw.io.files import picture_of
from salhw.plots import (
    diagram,
    learning_curves,
    membranes,
    overview,
    raster,
    stdd,
    weight_matrices,
    weights_over_time,
)
from salhw.plots.look import COLOURS, axes_below, band, picked
from salhw.plots.recordings import MARKS, ROWS
from salhw.session.recording import TimeSeries


def empty() -> Axes:
    """Axes of a figure that somebody else made."""
    return Figure().add_subplot()


def recorded(
    sizes: dict[str, int], spikes: int = 40, instances: int = 1, *, spiking: bool = True, synapses: int = 2
) -> Recording:
    """A recording of 1000 ms made by hand: every neuron spikes ``spikes`` times at random."""
    rng, ids = np.random.default_rng(1), tuple(range(5, 5 + instances))
    counts = {name: np.full((instances, size), spikes) for name, size in sizes.items()}
    trains = {}
    for name, size in sizes.items():
        instance, neuron = (index.ravel() for index in np.indices((instances, size)).repeat(spikes, axis=2))
        time = rng.integers(0, 1000, len(neuron)).astype(float)
        order = np.lexsort((neuron, time, instance))
        trains[name] = SpikeTrains(ids, size, 0.0, 1000.0, instance[order], neuron[order], time[order])
    first, size = next(iter(sizes.items()))
    at = np.arange(0.0, 1000.0, 10.0)
    weights = np.cumsum(rng.normal(size=(instances, 11, synapses)), axis=1)
    return Recording(
        ids, 0.0, 1000.0, counts, trains if spiking else {},
        membrane_traces={first: TimeSeries(at, rng.normal(size=(instances, len(at), size)))},
        weight_traces={"p": TimeSeries(np.arange(0.0, 1001.0, 100.0), weights)},
        provenance={"chips": [*ids], "network": "n", "target": "t"},
    )  # fmt: skip


def network(count: int, *, stimuli: bool = True) -> Network:
    """``count`` populations, each connected with all, itself included."""
    names = [f"population_{k}" for k in range(count)]
    return Network(
        name="all", dt=1.0, populations=[Population(name=name, size=10, neuron=GLM()) for name in names],
        projections=[
            Projection(
                name=f"from_{a}_to_{b}", pre=a, post=b, weights=AllToAll(0.1), plasticity=SAL(0.1) if a == b else ()
            )
            for a, b in product(names, names)
        ],
        stimuli=[Current(name, 0.1) for name in names] if stimuli else (),
    )  # fmt: skip


LAG = np.arange(-10.0, 11.0)
DRAW: dict[str, Callable[[Axes | None], Axes]] = {
    "raster": lambda ax: raster(recorded({"n": 3}), ax),
    "recording.plot": lambda ax: recorded({"n": 3, "m": 2}).plot(ax),
    "membranes": lambda ax: membranes(recorded({"n": 3}), ax),
    "weights": lambda ax: recorded({"n": 3}).plot_weights(ax=ax),
    "curves": lambda ax: learning_curves([0, 1], {"a": [[1, 2], [3, 4]]}, ax),
    "matrices": lambda ax: weight_matrices(np.eye(3), np.ones((3, 3)), ax),
    "stdd": lambda ax: stdd(LAG, LAG**2, LAG**2, ax),
    "network.plot": lambda ax: network(3).plot(ax),
}


@pytest.mark.parametrize("name", list(DRAW))
def test_the_axes_that_are_given_come_back_and_pyplot_knows_nothing_of_others(name: str) -> None:
    ax = empty()
    assert DRAW[name](ax) is ax
    ax.figure.draw_without_rendering()
    own = DRAW[name](None)
    own.figure.draw_without_rendering()
    assert own._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]  # what a notebook asks for
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_raster_draws_the_spikes_of_the_instance_and_its_rates() -> None:
    recording = recorded({"n": 3, "m": 1}, instances=2)
    ax = raster(recording, instance=1)
    for name, first, marks in zip(("n", "m"), (0, 3), ax.collections, strict=True):
        drawn = np.array(marks.get_segments())  # type: ignore[attr-defined]  # vlines made it
        for neuron in range(recording.spikes[name].size):
            times = drawn[np.isclose(drawn[:, :, 1].mean(axis=1), first + neuron), 0, 0]
            assert times.tolist() == recording.spikes[name].times(neuron, instance=1).tolist()
    (beside,) = ax.child_axes
    assert [bar.get_width() for bar in beside.patches] == pytest.approx([40.0] * 4)  # type: ignore[attr-defined]
    assert ax.get_title(loc="left") == "chip 6"


def test_of_a_large_network_some_neurons_are_drawn_and_the_label_says_so() -> None:
    recording = recorded({"n": 2000}, spikes=5)
    ax = raster(recording)
    shown = picked(2000, ROWS)
    assert f"{len(shown)} of 2,000" in ax.get_ylabel()
    assert len(ax.collections[0].get_segments()) == 5 * len(shown)  # type: ignore[attr-defined]
    membrane = membranes(recording)
    assert len(membrane.lines) == 5
    assert membrane.get_legend().get_title().get_text() == "5 of 2,000"
    several = raster(recorded({"n": 2000, "m": 3}, spikes=5))
    assert [tick.get_text() for tick in several.get_yticklabels()] == ["n\n59 of 2,000", "m\n3"]


@pytest.mark.parametrize("size", [1, 7, 8, 9, 12, 21, 60])
def test_numbers_of_neurons_are_evenly_spaced(size: int) -> None:
    ticks = raster(recorded({"z": size})).get_yticks()
    assert ticks[0] == 0
    assert len(ticks) <= 8
    assert len(set(np.diff(ticks))) <= 1


def test_of_a_long_run_the_end_is_drawn_and_the_label_says_so() -> None:
    ax = raster(recorded({"n": 2}, spikes=10 * MARKS))
    assert ax.get_xlim() == (900.0, 1000.0)
    assert ax.get_xlabel() == "time (ms); the last 100 ms of 1000"
    assert np.array(ax.collections[0].get_segments())[:, 0, 0].min() >= 900.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("sizes", [{"n": 1}, {"n": 1, "m": 2}])
@pytest.mark.parametrize("spiking", [True, False])
def test_no_spikes_and_one_neuron(sizes: dict[str, int], spiking: bool) -> None:
    ax = overview(recorded(sizes, spikes=0, spiking=spiking), weights=True)
    ax.figure.draw_without_rendering()
    assert len(ax.figure.axes) == 3
    assert [text.get_text() for text in ax.texts] == [
        f"spike times of {name} not recorded" for name in sizes if not spiking
    ]


def test_membranes_are_drawn_as_they_were_recorded() -> None:
    recording = recorded({"n": 2}, instances=2)
    ax = membranes(recording, instance=1)
    for neuron, line in enumerate(ax.lines):
        assert np.array_equal(line.get_ydata(), recording.membrane_traces["n"].values[1, :, neuron])
        assert np.array_equal(line.get_xdata(), recording.membrane_traces["n"].time)


def test_weights_have_a_mean_a_band_and_what_is_described() -> None:
    recording = recorded({"n": 2}, instances=6)
    ax = weights_over_time(recording, nominal={"p": [0.25, 0.75]})
    values = recording.weight_traces["p"].values
    means = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [line.get_label() for line in means] == ["synapse 0", "synapse 1"]
    for synapse, (line, area) in enumerate(zip(means, ax.collections, strict=True)):
        assert line.get_ydata() == pytest.approx(values[:, :, synapse].mean(axis=0))
        edge = area.get_paths()[0].vertices[:, 1]
        assert edge.max() == pytest.approx(np.quantile(values[:, :, synapse], 0.84, axis=0).max())
    dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--" and len(line.get_ydata())]
    assert dashed == [0.25, 0.75]
    assert ax.get_title(loc="left") == "mean and central 68 % of 6 chips"


def test_of_many_synapses_the_distribution_is_drawn() -> None:
    recording = recorded({"n": 2}, instances=3, synapses=40)
    (line,) = weights_over_time(recording).lines
    values = recording.weight_traces["p"].values
    assert line.get_ydata() == pytest.approx(np.median(values, axis=(0, 2)))
    assert line.get_label() == "40 synapses"


def test_a_population_with_itself_has_no_synapse_on_the_diagonal() -> None:
    weights = np.broadcast_to([[0.0, 1.5], [0.5, 0.0]], (2, 3, 2, 2))
    recording = Recording(
        (0, 1), 0.0, 2.0, {"n": np.ones((2, 2), int)}, weight_traces={"p": TimeSeries(np.arange(3.0), weights)}
    )
    ax = recording.plot_weights("p")
    assert {line.get_label(): line.get_ydata()[0] for line in ax.lines} == {"1 → 0": 1.5, "0 → 1": 0.5}


def test_what_is_not_there_is_an_error_that_says_what_is() -> None:
    recording = recorded({"n": 2})
    with pytest.raises(UnknownNameError, match="one of p"):
        recording.plot_weights("q")
    with pytest.raises(UnknownNameError, match="add a probe"):
        Recording((0,), 0.0, 1.0, {"n": np.zeros((1, 1), int)}).plot_weights()
    with pytest.raises(UnknownNameError):
        membranes(recording, population="nobody")
    with pytest.raises(UnknownNameError):
        raster(recording, populations=["nobody"])
    with pytest.raises(SessionError, match="instance"):
        recording.plot(instance=1)
    with pytest.raises(DescriptionError, match="post, pre"):
        weight_matrices(np.eye(2), np.eye(3))


def test_curves_are_means_with_bands_over_chips() -> None:
    values = np.random.default_rng(2).normal(size=(30, 7))
    ax = learning_curves(np.arange(7), {"many": values, "one": values[0]}, ylabel="gap")
    assert ax.lines[0].get_ydata() == pytest.approx(values.mean(axis=0))
    assert ax.lines[1].get_ydata() == pytest.approx(values[0])
    assert len(ax.collections) == 1  # one chip has no band
    assert (ax.lines[0].get_color(), ax.get_ylabel()) == (COLOURS[0], "gap")
    assert band(values, "median") == pytest.approx(np.quantile(values, (0.5, 0.25, 0.75), axis=0))
    missing = np.where(values < -1, np.nan, values)
    assert band(missing)[0] == pytest.approx(np.nanmean(missing, axis=0))
    missing[:, 2] = np.nan
    assert np.isnan(band(missing)).all(axis=0).tolist() == [k == 2 for k in range(7)]
    assert band(np.arange(5.0), "median").tolist() == [2.0, 1.0, 3.0]


def test_matrices_share_one_scale_and_difference_is_effective_minus_nominal() -> None:
    nominal = np.array([[0.0, 1.0], [np.nan, -0.5]])
    effective = np.stack([nominal + 0.2, nominal + 0.4])
    ax = weight_matrices(nominal, effective)
    images = [panel.images[0] for panel in ax.child_axes[:3]]  # type: ignore[attr-defined]
    for image, expected in zip(images, (nominal, nominal + 0.3, nominal * 0.0 + 0.3), strict=True):
        assert np.ma.filled(image.get_array(), np.nan) == pytest.approx(expected, nan_ok=True)
        assert image.get_clim() == pytest.approx((-1.3, 1.3))


@pytest.mark.parametrize("ax", [None, Figure().add_axes((0.1, 0.1, 0.8, 0.8))])
def test_residuals_of_an_stdd_are_in_standard_errors(ax: Axes | None) -> None:
    exact, errors = np.exp(-np.abs(LAG) / 5), np.full(len(LAG), 0.1)
    errors[3] = 0.0
    measured = exact + 0.25 * np.sign(LAG)
    drawn = stdd(LAG, measured, exact, ax, errors=errors)
    assert [bar.get_height() for bar in drawn.patches] == pytest.approx(measured)  # type: ignore[attr-defined]
    below = drawn.figure.axes[-1]
    (left,) = (line for line in below.lines if line.get_marker() == ".")
    expected = np.where(errors > 0, 2.5 * np.sign(LAG), np.nan)
    assert left.get_ydata() == pytest.approx(expected, nan_ok=True)
    assert below.get_ylabel() == "residual (s.e.)"
    upper, lower = (a.get_position() for a in (drawn, below))
    assert lower.y1 <= upper.y0 + 1e-9


def test_axes_below_share_the_abscissa() -> None:
    ax = empty()
    below = axes_below(ax)
    ax.set_xlim(2, 5)
    assert below.get_xlim() == (2, 5)


# networks ------------------------------------------------------------------------------------------------------------


def boxes(ax: Axes) -> list[FancyBboxPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def half(box: FancyBboxPatch) -> npt.NDArray[np.float64]:
    return np.array([box.get_width(), box.get_height()]) / 2


def middle(box: FancyBboxPatch) -> npt.NDArray[np.float64]:
    return np.array([box.get_x(), box.get_y()]) + half(box)


def overlap(a: FancyBboxPatch, b: FancyBboxPatch) -> bool:
    return bool(np.all(np.abs(middle(a) - middle(b)) < half(a) + half(b)))


@pytest.mark.parametrize("count", range(1, 9))
def test_neither_boxes_nor_arrows_meet_a_box(count: int) -> None:
    ax = diagram(network(count))
    every = boxes(ax)
    assert len(every) == count
    assert not any(overlap(a, b) for k, a in enumerate(every) for b in every[:k])
    for arrow in ax.patches:
        if isinstance(arrow, FancyArrowPatch) and arrow.get_label().startswith("from_"):
            points = np.concatenate(arrow.get_path().to_polygons(closed_only=False))
            inside = [box for box in every if np.any((np.abs(points - middle(box)) < half(box)).all(axis=1))]
            assert inside == [], arrow.get_label()


def test_a_network_is_told_by_its_boxes_arrows_and_list() -> None:
    net = Network(
        name="feedforward", dt=1.0,
        populations=[
            Population(name="input", size=3, neuron=Source()), Population(name="hidden", size=1200, neuron=GLM()),
        ],
        projections=[
            Projection(name="up", pre="input", post="hidden", weights=AllToAll(0.1), plasticity=SAL(0.1)),
            Projection(name="down", pre="hidden", post="input", weights=AllToAll(0.1)),
            Projection(name="again", pre="input", post="hidden", weights=AllToAll(0.1)),
        ],
        stimuli=[Poisson("input", 20.0), Current("hidden", 0.1)], probes=[Spikes("hidden"), Membrane("hidden")],
    )  # fmt: skip
    ax = net.plot()
    told = [text.get_text() for text in ax.texts]
    assert {"input", "3 Source", "hidden", "1,200 GLM", "Poisson", "Current", "feedforward"} <= {*told}
    assert "1  up: 3,600 synapses, Rectangular PSP, plastic: PairSTDP" in told
    assert "3  again: 3,600 synapses, Rectangular PSP" in told
    assert [b.get_x() for b in boxes(ax)] == sorted(b.get_x() for b in boxes(ax))  # from left to right
    colours = {p.get_label(): p.get_edgecolor() for p in ax.patches if isinstance(p, FancyArrowPatch)}
    assert colours["up"] != colours["down"] == colours["again"]
    up, again = (
        np.concatenate(p.get_path().to_polygons(closed_only=False))
        for p in ax.patches if p.get_label() in ("up", "again")
    )  # fmt: skip
    assert abs(up[:, 1].max() - again[:, 1].max()) > 0.2  # apart


def test_of_very_many_projections_there_is_a_count() -> None:
    told = [text.get_text() for text in network(6).plot().texts]
    assert {"30 projections without plasticity", "6 projections with plasticity"} <= {*told}


def test_nothing_that_is_drawn_is_cut_off() -> None:
    for net in (network(1), network(4), network(8)):
        ax = net.plot()
        ax.figure.draw_without_rendering()
        whole = ax.figure.bbox
        for text in ax.texts:
            box = text.get_window_extent()
            assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, text.get_text()
            assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, text.get_text()


def with_decorations() -> Figure:
    """What a layout makes room for."""
    figure = Figure(figsize=(5.0, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([3.0, 1e5, 2.0], label="a long name")
    left.set_xlabel("time (s)")
    left.twinx().set_ylabel("rate (Hz)")
    figure.colorbar(right.imshow([[0.0, 1.0], [2.0, 3.0]]), ax=right)
    figure.legend(loc="outside lower center")
    return figure


def test_a_picture_is_the_one_that_matplotlib_saves() -> None:
    """To the byte, and the figure keeps its layout."""
    figure, saved = with_decorations(), io.BytesIO()
    before = figure.get_layout_engine(), figure.dpi
    with_decorations().savefig(saved, format="png", dpi=130)
    assert picture_of(figure, "png", dpi=130) == saved.getvalue()
    assert (figure.get_layout_engine(), figure.dpi) == before
    assert before[0] is not None


def test_importing_the_room_imports_no_matplotlib() -> None:
    code = "import sys, salhw, salhw.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
