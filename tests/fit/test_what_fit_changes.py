"""What fit changes, remedy by remedy; where its order decides; and what is said of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fit_examples import changes, excitatory_and_inhibitory, fit, of_everything, two

import salhw
from salhw import (
    SAL,
    Alpha,
    Diagnostic,
    Exponential,
    Membrane,
    Network,
    PairSTDP,
    Spikes,
    Target,
    TriangularWindow,
    UnsupportedNetworkError,
)
from salhw.compiler.edits import differences
from salhw.compiler.remedies import REMEDIES
from salhw.compiler.remedies.grid import on_grid
from salhw.compiler.remedies.shapes import area, lag
from salhw.description.windows import ExponentialWindow
from salhw.registry import backend, builder
from salhw.session.changes import Size
from salhw.substrate.capabilities import Range

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_example" / "src"))

import salhw_plain

ROOT = Path(__file__).parents[2]
PLAIN = salhw_plain.backend.targets()["plain"]
WITHOUT_HOST = salhw.target("loihi2").replace(host={})


def plain(**changed: object) -> Target:
    """The example's target with other declarations."""
    return PLAIN.replace(**changed)


def on_plain(net: Network, target: Target, *keep: str) -> salhw.Fitted:
    return fit(net, target, keep=keep, plugin=salhw_plain.backend)


# the networks that all targets are to run -------------------------------------------------------------------------


@pytest.mark.parametrize("target", sorted(salhw.targets()))
@pytest.mark.parametrize("name", ["pair", "sampling", "sampling that learns", "dale", "GLM", "LIF"])
def test_one_description_runs_on_every_target(name: str, target: str) -> None:
    """Compiled only: the whole suite has minutes. Each of them is run on each target by ``salhw compare``; sizes of the
    larger ones, for which the reference runs them, are worked out in test_four_networks (slow)."""
    net = excitatory_and_inhibitory(name) if name in ("GLM", "LIF") else builder(name.split()[0])()
    if name == "sampling that learns":
        (recurrent,) = net.projections
        net = net.replace(projections=[recurrent.replace(plasticity=SAL(0.0005))])
    made = fit(net, target)
    assert salhw.problems(made.network, made.target) == []
    if name in ("GLM", "LIF"):
        assert salhw.compile(made.network, made.target).source == made.network
        return
    executable = salhw.compile(net, target, fit=True)
    assert executable.source == made.network
    assert executable.report.changes == made.sized().changes
    assert (executable.written is None) == (executable.report.changes == ())


def test_the_paper_s_pair_stays_on_the_chips() -> None:
    """An update with every spike is made in time by a chip only; the host would take the rule as it is."""
    pair = builder("pair")()
    assert changes(pair, "reference") == changes(pair, "nest") == {}
    assert changes(pair, "brainscales2") == {"projections.pair.plasticity.update": ("spike", "every 56 ms")}
    assert changes(pair, "loihi2") == {"projections.pair.plasticity.pairing": ("nearest_restricted", "all")}


# remedy by remedy -------------------------------------------------------------------------------------------------


def test_an_option_that_fits_is_chosen_and_the_network_stays() -> None:
    """NEST refuses logistic neurons where it is told to."""
    strict = salhw.target("nest").with_options(logistic="refuse")
    net = builder("sampling")()
    made = fit(net, strict)
    assert made.network == net
    assert [str(c) for c in made.changes] == ["target.options.logistic = refuse -> noise"]
    assert made.target.option("logistic") == "noise"
    with pytest.raises(UnsupportedNetworkError) as error:
        fit(net, strict, keep=["target.options", "populations"])
    assert error.value.diagnostics[0].code == "SAL103"
    kept = fit(net, strict, keep=["target.options.logistic"])
    assert [c.path for c in kept.changes] == ["populations.neurons.discretisation"]


def test_products_of_learning_rate_and_amplitudes_stay() -> None:
    each = [[0.0, 2.0], [1.0, 0.0]]
    rule = PairSTDP(
        causal=ExponentialWindow(amplitude=each, tau=10.0),
        anticausal=ExponentialWindow(amplitude=-np.array(each), tau=10.0),
        learning_rate=0.01,
        update="every 100 ms",
    )
    made = fit(two(plasticity=rule), "brainscales2").network.projection("p").plasticity[0]
    synapses = ~np.eye(2, dtype=bool)
    assert isinstance(made, PairSTDP)
    for name in ("causal", "anticausal"):
        product = np.broadcast_to(np.asarray(made.learning_rate) * getattr(made, name).amplitude, (2, 2))
        wanted = 0.01 * np.asarray(getattr(rule, name).amplitude)
        assert np.allclose(product[synapses], wanted[synapses], rtol=1e-12, atol=0.0)
        assert np.ndim(getattr(made, name).amplitude) == 0


def test_the_host_keeps_rules_that_are_not_due_with_every_spike() -> None:
    """NEST has no periods; its host has."""
    assert changes(two(plasticity=SAL(0.01, update="every 40 ms")), "nest") == {
        "plasticity.execution": ("chip", "host")
    }
    kept = changes(two(plasticity=SAL(0.01, update="every 40 ms")), "nest", "projections.p.plasticity.execution")
    assert kept == {"plasticity.update": ("every 40 ms", "spike")}


def test_what_later_changes_make_superfluous_is_taken_back() -> None:
    """Bounds are the host's: then pairing and schedule need not change either. On the way they were changed first."""
    rule = {"arrays": ("learning_rate",), "learning_rate": [-1, 1], "bounds": [-9, 9], "update": ["spike", "every"]}
    everything = rule | {"pairing": ["all", "nearest_symmetric", "nearest_restricted"]}
    chip = {"pairing": ["all"], "learning_rate": [-1, 1], "update": ["spike"]}
    window = {"amplitude": [-1, 1], "tau": [1, 99]}
    target = plain(plasticity={"PairSTDP": chip}, host={"PairSTDP": everything, "Exponential": window})
    made = on_plain(two(plasticity=SAL(0.01, bounds=(-2.0, 2.0))), target)
    assert [str(c) for c in made.changes] == ["projections.p.plasticity.execution = chip -> host"]
    assert made.changes[0].reason.path == "projections.p.plasticity.bounds"


@pytest.mark.parametrize(
    ("written", "allowed", "periods", "changed"),
    [
        ("spike", ["every"], [56.2, 1000.0], "every 56.5 ms"),  # the shortest that is a whole number of steps
        ("spike", ["run end"], None, "run end"),
        ("every 40 ms", ["every"], [56.2, 1000.0], "every 56.5 ms"),
        ("every 5000 ms", ["every"], [56.2, 1000.2], "every 1000 ms"),
        ("every 40 ms", ["spike", "run end"], None, "spike"),
        ("run end", ["every"], [56.2, 1000.0], "every 56.5 ms"),  # at the end fewest pairs are pending
        ("run end", ["spike", "every"], [56.2, 1000.0], "spike"),
    ],
)
def test_the_nearest_schedule(written: str, allowed: list[str], periods: list[float] | None, changed: str) -> None:
    rule = dict(PLAIN.plasticity["PairSTDP"]) | {"update": tuple(allowed)} | ({"every": periods} if periods else {})
    made = on_plain(two(plasticity=SAL(0.01, update=written)), plain(plasticity={"PairSTDP": rule}))
    assert [str(c) for c in made.changes] == [f"projections.p.plasticity.update = {written} -> {changed}"]


@pytest.mark.parametrize(
    ("written", "allowed", "changed"),
    [
        ("nearest_restricted", ("all", "nearest_symmetric"), "nearest_symmetric"),
        ("nearest_symmetric", ("all", "nearest_restricted"), "nearest_restricted"),
        ("all", ("nearest_symmetric", "nearest_restricted"), "nearest_symmetric"),
    ],
)
def test_the_most_alike_pairing(written: str, allowed: tuple[str, ...], changed: str) -> None:
    rule = dict(PLAIN.plasticity["PairSTDP"]) | {"pairing": allowed}
    made = on_plain(two(plasticity=SAL(0.01, pairing=written)), plain(plasticity={"PairSTDP": rule}))
    assert [c.changed for c in made.changes] == [changed]


def test_the_nearest_step_of_which_all_times_are_multiples() -> None:
    net = two()  # times of 10 ms, dt = .5 ms
    assert on_plain(net, plain(network={"dt": [1.5, 9.0]})).network.dt == 2.0
    assert on_plain(net, plain(network={"dt": [0.001, 0.3]})).network.dt == 0.25
    other = on_plain(net, plain(network={"dt": [0.7, 0.9]}))  # divides no 10 ms: times move onto it
    assert other.network.dt == 0.7
    assert {c.path for c in other.changes} == {"dt", "populations.n.tau_ref", "projections.p.kernel.tau_syn"}
    assert other.network.population("n").neuron.refractory_period == pytest.approx(9.8)


def test_another_psp_has_the_same_area_and_mean_lag_where_the_area_can_be_said() -> None:
    written = Alpha(tau_syn=4.0, area=6.0)
    made = fit(two(kernel=written), "nest").network.projection("p").kernel
    assert isinstance(made, Exponential)
    assert area(made) == 6.0
    assert lag(made) == pytest.approx(lag(written), rel=1e-3)


def test_another_psp_has_the_same_area_and_weights_where_it_cannot() -> None:
    """Two kinds have it; the one with the nearer mean lag is taken: 12 ms, of 16."""
    made = fit(two(kernel=Alpha(tau_syn=8.0, area=12.0)), "loihi2").network.projection("p")
    assert made.kernel == Exponential(tau_syn=12.0)
    assert made.weights == two().projection("p").weights


def test_weights_take_over_the_area_where_no_time_constant_can() -> None:
    """An area of 50 ms is no time constant of the chip's: weights, bounds and learning rates are five thirds of it."""
    rule = SAL(0.01, bounds=(-1.0, 1.0), update="every 100 ms")
    made = fit(two(kernel=Exponential(tau_syn=30.0, area=50.0), plasticity=rule), "brainscales2").network
    p = made.projection("p")
    factor = 50.0 / 30.0
    assert p.kernel == Exponential(tau_syn=30.0)
    assert np.allclose(p.weights.stored, factor * np.array([[0.0, 0.5], [0.5, 0.0]]))
    assert p.plasticity[0].bounds == pytest.approx((-factor, factor))
    assert p.plasticity[0].learning_rate == pytest.approx(0.01 * factor)


def test_another_window_has_the_same_area_and_mean_lag() -> None:
    triangle = TriangularWindow(amplitude=0.5, tau=15.0)
    rule = PairSTDP(causal=triangle, anticausal=triangle, pairing="all", learning_rate=0.01)
    made = fit(two(plasticity=rule), "loihi2").network.projection("p").plasticity[0]
    assert isinstance(made, PairSTDP)
    assert isinstance(made.causal, ExponentialWindow)
    assert made.causal.tau == pytest.approx(lag(triangle), rel=1e-3)
    assert made.causal.tau * made.causal.amplitude == pytest.approx(0.5 * 15.0 / 2.0, rel=1e-3)


def test_of_weights_only_those_outside_change() -> None:
    made = fit(two(weights=[[0.0, 24.0], [-0.3, 0.0]]), "brainscales2").network.projection("p")
    assert np.array_equal(made.weights.stored, [[0.0, 20.16], [-0.3, 0.0]])


def test_weights_stay_within_bounds_that_change() -> None:
    rule = SAL(0.01, bounds=(22.0, 36.0), update="every 100 ms")
    net = two(weights=[[0.0, 25.0], [22.0, 0.0]], plasticity=rule)
    made = fit(net, "brainscales2").network.projection("p")
    (low, high), weights = made.plasticity[0].bounds, np.asarray(made.weights.stored)
    assert -20.16 <= low <= weights[0, 1] <= high <= 20.16


def test_one_learning_rate_for_many_is_the_mean_over_synapses() -> None:
    rule = SAL([[9.0, 0.25], [0.75, 9.0]], pairing="all")  # the diagonal is no synapse
    made = fit(two(plasticity=rule), WITHOUT_HOST).network.projection("p").plasticity[0]
    assert made.learning_rate == 0.5


def test_probes_that_a_target_does_not_have_are_left_out() -> None:
    net = two().replace(probes=[Membrane("n"), Spikes("n")])
    made = fit(net, "brainscales2")
    assert made.network.probes == (Spikes("n"),)
    assert [str(c) for c in made.changes] == ["probes[0] = Membrane(population=n) -> left out"]
    with pytest.raises(UnsupportedNetworkError):
        fit(net, "brainscales2", keep=["probes[0]"])
    assert fit(net, "brainscales2", keep=["probes[1]"]).network.probes == (Spikes("n"),)


def test_fixes_of_lowering_are_followed() -> None:
    """Found by lowering, after everything else was answered: Loihi has no delays on plastic synapses."""
    made = fit(of_everything(), WITHOUT_HOST)
    (delay,) = (c for c in made.changes if c.path.endswith("delay"))
    assert (delay.written, delay.changed, delay.reason.code) == ("1 ms", "0 ms", "SAL121")


# what a backend knows better --------------------------------------------------------------------------------------


class Picky:
    """plain, which takes no more than one synapse, and knows how to get there."""

    name = "plain"

    def targets(self) -> dict[str, Target]:
        return {"plain": PLAIN}

    def lower(self, net: Network, target: Target) -> salhw.plugin.Lowering:  # type: ignore[name-defined]
        lowered = salhw_plain.backend.lower(net, target)
        if net.projections[0].weights.kind == "Sparse":
            return lowered
        finding = Diagnostic("SAL107", "projections.p.weights", "a matrix", "a list of synapses", "use fewer synapses")
        return replace(lowered, findings=(*lowered.findings, finding))

    def open(self, *args: object, **options: object) -> salhw.Session:
        return salhw_plain.backend.open(*args, **options)  # type: ignore[arg-type]


class Helpful(Picky):
    def remedies(self, net: Network, target: Target, finding: Diagnostic) -> Iterator[Network]:
        if finding.path == "projections.p.weights":
            post, pre = np.nonzero(net.projections[0].weights.stored)
            listed = salhw.Sparse(post, pre, net.projections[0].weights.stored[post, pre])
            yield net.replace(projections=[net.projections[0].replace(weights=listed)])


def test_a_backend_answers_its_own_findings() -> None:
    from salhw.plugin import Fitting

    assert isinstance(Helpful(), Fitting)
    assert not isinstance(Picky(), Fitting)
    with pytest.raises(UnsupportedNetworkError):
        fit(two(), PLAIN, plugin=Picky())  # type: ignore[arg-type]
    made = fit(two(), PLAIN, plugin=Helpful())  # type: ignore[arg-type]
    assert [str(c) for c in made.changes] == ["projections.p.weights = Dense (0, 0.5, 0.5, 0) -> Sparse (0.5, 0.5)"]
    with pytest.raises(UnsupportedNetworkError):
        fit(two(), PLAIN, keep=["projections.p"], plugin=Helpful())  # type: ignore[arg-type]


# what is said of it -----------------------------------------------------------------------------------------------


def test_a_fitted_network_says_what_was_changed_and_why() -> None:
    made = fit(builder("pair")(), "brainscales2")
    text = str(made)
    assert "pair on brainscales2: 1 change" in text
    assert "projections.pair.plasticity.update = spike -> every 56 ms" in text
    assert "because SAL101" in text
    assert made.as_dict()["changes"][0]["path"] == "projections.pair.plasticity.update"
    assert "<td>every 56 ms</td>" in made._repr_html_()
    late = Size("gap lag", "projections.pair", 0.0, -0.25, 0.01, "<1/s>", "reference")
    sized = replace(made, changes=(replace(made.changes[0], sizes=(late,)),))
    assert "<td>gap lag</td><td>projections.pair</td><td>0</td><td>-0.25</td><td>0.01</td><td>&lt;1/s&gt;</td>" in (
        sized._repr_html_()
    )
    assert "as it is written" in str(fit(builder("pair")(), "nest"))


def test_reports_and_recordings_say_it_too() -> None:
    net = two(plasticity=SAL(0.01, update="every 40 ms"))
    target = salhw.target("reference").replace(
        kernels={"Exponential": salhw.target("reference").kernels["Exponential"]}
    )
    executable = salhw.compile(net, target, fit=True)
    assert "  changed: projections.p.kernel = Rectangular(" in str(executable.report)
    assert executable.report.as_dict()["changes"]
    recording = salhw.run(net, target, duration=10.0, fit=True)
    assert recording.provenance["written_hash"] == net.content_hash
    assert recording.provenance["network_hash"] == executable.source.content_hash != net.content_hash
    assert recording.provenance["changes"] == [str(change) for change in executable.report.changes]
    assert "written_hash" not in salhw.run(net, duration=10.0, fit=True).provenance


def test_the_guide_has_the_order_of_preference() -> None:
    page = (ROOT / "docs" / "fit.md").read_text()
    rows = [f"| {k} | {remedy.name} | {remedy.does} |" for k, remedy in enumerate(REMEDIES, 1)]
    assert "\n".join(rows) in page


def test_every_backend_s_options_that_fit_can_be_chosen() -> None:
    for target in salhw.targets().values():
        assert backend(target.backend).name == target.backend
        for name, option in target.options.items():
            if option.fits is not None:
                assert target.with_options(**{name: option.fits}).option(name) == option.fits


def test_times_that_are_each_neurons_own_become_one_on_the_grid() -> None:
    """The mean of 5, 5.5 and 9.5 ms is 6.67 ms, nearest to 6.5; what is out of range is moved, and the rest stays."""
    cells = salhw.Population("n", 3, salhw.GLM(tau_ref=[5.0, 5.5, 9.5]))
    net = Network("own", 0.5, [cells])
    assert fit(net, PLAIN, plugin=salhw_plain.backend).network.population("n").neuron.tau_ref == 6.5
    declared = PLAIN.neurons["GLM"] | {"arrays": ("bias", "tau_ref"), "tau_ref": Range(min=1.0, max=8.2)}
    fitted = on_plain(net, plain(neurons=PLAIN.neurons | {"GLM": declared}))
    assert fitted.network.population("n").neuron.tau_ref.tolist() == [5.0, 5.5, 8.0]


def test_another_grid_moves_times_per_neuron_per_synapse_and_of_spikes() -> None:
    """Times that 0.3 ms does not divide: each of an array, and the trains of many neurons, of which two have moved."""
    cells = salhw.Population("n", 2, salhw.GLM(tau_ref=[5.0, 6.0]))
    net = Network(
        "grid", 0.25, [salhw.Population("s", 8, salhw.Source()), cells],
        [salhw.Projection("p", "s", "n", np.ones((2, 8)), delay=np.full((2, 8), 0.5))],
        [salhw.SpikeTimes("s", [[0.0], [3.0], [6.0], [9.0], [0.25], [], [5.0], [12.0]])],
    )  # fmt: skip
    moved = on_grid(net, 0.3)
    assert moved is not None
    assert moved.population("n").neuron.tau_ref == pytest.approx([5.1, 6.0])
    assert moved.projection("p").delay.ravel() == pytest.approx(0.6)
    changed = {each.path: each.changed for each in differences(net, PLAIN, moved, PLAIN)}
    assert changed["stimuli[0].times"] == "8 entries, 2 of them changed"


@pytest.mark.parametrize(("neuron", "fields"), [
    (salhw.GLM(), {"plasticity": [*salhw.VogelsSprekeler(0.01, rate=5.0)]}),
    (salhw.GLM(), {"plasticity": SAL(0.01), "short_term": salhw.TsodyksMarkram(0.5, 10.0, 0.0)}),
    (salhw.Izhikevich(), {"plasticity": SAL(0.01), "kernel": salhw.Rectangular(tau_syn=0.5)}),
    (salhw.LIF(), {"plasticity": SAL(0.01, bounds=(0.0, 2.0)), "kernel": Exponential(5.0), "e_rev": 3.0}),
], ids=["another rule", "short-term plasticity", "Izhikevich neurons", "conductances"])  # fmt: skip
def test_rules_that_nest_has_are_the_hosts_where_they_have_to_be(
    neuron: salhw.Neuron, fields: dict[str, object]
) -> None:
    """Every so many ms: a rule that is due with the spike, and that NEST has, would be NEST's."""
    cells = [salhw.Population("s", 2, salhw.Source()), salhw.Population("n", 2, neuron)]
    net = Network("both", 0.5, cells, [salhw.Projection("p", "s", "n", np.ones((2, 2)), **fields)])  # type: ignore[arg-type]
    rules = fit(net, salhw.target("nest")).network.projection("p").plasticity
    assert (rules[0].execution, rules[0].schedule) == ("host", "every")
    assert all(rule.execution == "host" for rule in rules)
