"""What the target declares, rounds and counts; none of it needs Lava."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from lava_examples import LOIHI, QUICK, everything, pairs

import salhw
from salhw import GLM, LIF, Network, Population, Projection, Rectangular, Sparse, UnsupportedNetworkError
from salhw.conformance import run
from salhw.substrate.capabilities import Range
from salhw.theory import spike_probability
from salhw_lava import backend, with_weight_exponent
from salhw_lava.arithmetic import PER_ONE
from salhw_lava.cores import AXONS, CORES, NEURONS, SYNAPSE_BITS, WEIGHT_BITS, demands, occupied
from salhw_lava.glm import PROBABILITY, table
from salhw_lava.lif import SHORTEST
from salhw_lava.rules import LARGEST_RATE


@pytest.mark.parametrize("how", ["logistic", "exact"])
@pytest.mark.parametrize("tau_ref", [1.0, 10.0, 250.0])
def test_the_table_holds_the_spike_probabilities(how: str, tau_ref: float) -> None:
    start, entries = table(GLM(tau_ref=tau_ref, discretisation=how), dt=0.5)  # type: ignore[arg-type]
    u = (start + np.arange(len(entries))) / PER_ONE
    exact = spike_probability(u, round(tau_ref / 0.5), how)  # type: ignore[arg-type]
    assert np.abs(entries / PROBABILITY - exact)[1:-1].max() <= 0.5 / PROBABILITY + 4 * np.finfo(float).eps
    assert (entries[0], entries[-1]) == (0, PROBABILITY)
    assert np.all(np.diff(entries) >= 0)
    assert u[0] <= np.log(tau_ref / 0.5) - 7.9
    assert u[-1] >= np.log(tau_ref / 0.5) + 7.9


def test_biases_are_rounded_and_said_so() -> None:
    net = Network(name="n", dt=1.0, populations=[Population(name="a", size=3, neuron=GLM(bias=[0.1, 0.25, -1.0]))])
    executable = salhw.compile(net, QUICK, plugin=backend)
    (finding,) = [f for f in executable.report.approximations if f.code == "SAL311"]
    assert finding.path == "populations.a.bias"
    assert np.array_equal(np.asarray(executable.network.population("a").neuron.bias) * 64, [6, 16, -64])  # type: ignore[union-attr]
    assert "0.0063" in finding.supported  # 0.1 * 64 = 6.4
    ideal = salhw.compile(net, QUICK.ideal(), plugin=backend)
    assert ideal.report.approximations == ()
    assert ideal.network == net


def test_lowering_does_not_touch_what_it_is_given() -> None:
    net = everything()
    before = net.content_hash, LOIHI.content_hash
    salhw.compile(net, LOIHI, plugin=backend)
    assert (net.content_hash, LOIHI.content_hash) == before


def dense(neurons: int, per_neuron: int) -> Network:
    post = np.repeat(np.arange(neurons), per_neuron)
    pre = (post + 1 + np.tile(np.arange(per_neuron), neurons)) % neurons
    return Network(
        name="big", dt=1.0,
        populations=[Population(name="a", size=neurons, neuron=GLM())],
        projections=[
            Projection(
                name="p", pre="a", post="a", weights=Sparse(post=post, pre=pre, weight=np.full(len(post), 0.5)),
                kernel=Rectangular(tau_syn=10.0),
            )
        ],
    )  # fmt: skip


def test_cores_by_published_and_by_unverified_limits() -> None:
    net = dense(neurons=20_000, per_neuron=20)
    (need,) = demands(net)
    assert need.published == -(-20_000 // NEURONS) == 3
    by_memory, by_axons = -(-400_000 * WEIGHT_BITS // SYNAPSE_BITS), -(-20_000 // AXONS)
    assert need.unverified == max(by_memory, by_axons) == 5
    line, findings = occupied(net)
    assert "3 of 128 neuro-cores" in line
    assert "5 with Loihi 1's axons (unverified" in line
    assert not findings
    assert any("unverified" in note for note in salhw.compile(net, LOIHI, plugin=backend).report.notes)


def test_too_few_cores_is_refused_and_says_what_is_unverified() -> None:
    net = dense(neurons=NEURONS * 8, per_neuron=1)
    many = [Population(name=f"p{k}", size=NEURONS * 8, neuron=GLM()) for k in range(16)]
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net.replace(populations=[*net.populations, *many]), LOIHI, plugin=backend)
    codes = {finding.code for finding in caught.value.diagnostics}
    assert codes <= {"SAL201", "SAL211"}
    axons = dense(neurons=(CORES + 1) * AXONS // 2, per_neuron=1)
    learning = axons.projections[0].replace(plasticity=salhw.SAL(0.03, 10.0, pairing="all"))
    _, findings = occupied(axons.replace(projections=[learning]))
    assert [f.code for f in findings] == ["SAL211"]  # two axon slots for each neuron that learns
    assert "unverified" in findings[0].asked


def test_listing_and_compiling_import_no_lava() -> None:
    code = (
        "import sys, salhw\nfrom salhw_lava import backend\nsys.path.insert(0, 'tests/lava')\n"
        "from lava_examples import pairs, LOIHI\nsalhw.compile(pairs(2), LOIHI, plugin=backend)\n"
        "assert not [m for m in sys.modules if m == 'lava' or m.startswith(('lava.', 'execnet'))]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_learning_rate_for_all_synapses_of_a_projection() -> None:
    executable = salhw.compile(pairs(2), QUICK, plugin=backend)
    path = "projections.p.plasticity.learning_rate"
    with executable.open(instances=2) as session:
        before = session.get(path)
        with pytest.raises(salhw.SessionError, match="one learning rate"):
            session.set(path, np.array([[0.1, 0.2, 0.1, 0.1]] * 2))
        with pytest.raises(salhw.SessionError, match="the range of loihi2"):
            session.set(path, 100.0)
        assert np.array_equal(session.get(path), before)
        session.set(path, np.array([[0.1] * 4, [0.0] * 4]))
        held = session.get(path)
    assert abs(held[0, 0] - 0.1) < 0.001
    assert np.all(held[1] == 0.0)


@pytest.mark.parametrize(
    "check", ["psp-membrane", "transfer-function", "lif-intervals", "stdp-window-shape", "get-set-round-trip"]
)
@pytest.mark.parametrize("exponent", [-2, 2])
def test_weight_exponents_scale_range_and_steps(exponent: int, check: str) -> None:
    """The suite holds the target to what it declares then; with the smaller exponent a PSP of 2 is out of range."""
    target = with_weight_exponent(QUICK, exponent)
    assert target.projections["weights"].max == 3.96875 * 2.0**exponent  # type: ignore[union-attr]
    (outcome,) = run(backend, target, checks=[check]).checks
    wanted = "unsupported" if (exponent, check) == (-2, "psp-membrane") else "pass"
    assert outcome.outcome == wanted, outcome.reason


def test_only_whole_weight_exponents() -> None:
    with pytest.raises(salhw.DescriptionError):
        with_weight_exponent(LOIHI, 5)
    odd = LOIHI.replace(projections=LOIHI.projections | {"weights": Range(min=-3.0, max=3.0)})
    with pytest.raises(UnsupportedNetworkError, match="SAL121"):
        salhw.compile(pairs(1), odd, plugin=backend)


def test_the_lowering_chooses_weight_exponent_and_epoch_for_the_network() -> None:
    """Auto: the finest steps in which weights of .4 may double, and the longest epoch without two spikes of a neuron;
    the wanted learning rate is then met better than with the given steps."""
    rule = salhw.SAL(learning_rate=0.0013, tau=10.0, pairing="all")
    net = pairs(3, weights=(0.4, 0.1), rule=rule)
    given = salhw.compile(net, LOIHI)
    auto = salhw.compile(net, LOIHI.with_options(weight_exponent="auto", epoch="auto"))
    assert auto.target.projections["weights"].max == pytest.approx(254 / 64 / 4)
    assert auto.target.option("epoch") == 10
    assert "weights: up to 0.992 in steps of 1/128; learning epoch: 10 steps" in auto.report.notes

    def off(executable: salhw.Executable) -> float:
        (p,) = executable.network.projections
        return abs(float(p.plasticity[0].learning_rate) / 0.0013 - 1.0)

    assert off(auto) < off(given)
    zero = salhw.compile(pairs(3, weights=(0.0, 0.0)), LOIHI.with_options(weight_exponent="auto"))
    assert zero.target.projections["weights"].max == LOIHI.projections["weights"].max


def behind_gains(learns: bool = False) -> Network:
    """A spike at step 3 with a PSP of .0406 behind a gain of .02, and one of 1.53125 without."""
    ends, kernel = {"pre": "a", "post": "b"}, salhw.Rectangular(tau_syn=5.0)
    rule = salhw.SAL(learning_rate=0.5, tau=10.0, pairing="all") if learns else None
    return Network(
        name="gains",
        dt=1.0,
        populations=[
            Population(name="a", size=1, neuron=GLM(bias=-50.0)),
            Population(name="b", size=1, neuron=GLM(bias=-1.0, inputs={"basal": 1.0, "apical": 0.02})),
        ],
        projections=[
            Projection(name="fine", weights=[[2.03]], into="apical", kernel=kernel, plasticity=rule, **ends),
            Projection(name="coarse", weights=[[1.53125]], into="basal", kernel=kernel, **ends),
        ],
        stimuli=[salhw.SpikeTimes("a", [[3.0]])],
        probes=[salhw.Membrane("b")],
    )


@pytest.mark.parametrize(("exponents", "held"), [("one", 1.0 / 32.0), ("each", 42.0 / 1024.0)])
def test_a_projection_behind_a_gain_may_have_a_weight_exponent_of_its_own(exponents: str, held: float) -> None:
    """.0406 in steps of 1/32, or in those of an exponent lower by 5; a PSP beside it is what it was, the session holds
    and takes what the projection can, and the report tells its steps."""
    executable = salhw.compile(behind_gains(), QUICK.with_options(projection_exponents=exponents), plugin=backend)
    with executable.open(seed=1) as session:
        membrane = np.asarray(session.run(12.0).membrane["b"].values).ravel() + 1.0
        np.testing.assert_allclose(membrane, [0.0] * 4 + [1.53125 + held] * 5 + [0.0] * 3, atol=1e-12)
        assert session.get("projections.fine.weights")[0, 0, 0] == pytest.approx(held / 0.02)
        fits = {"one": 100.0, "each": 6.0}[exponents]
        session.set("projections.fine.weights", fits)
        with pytest.raises(salhw.SessionError, match="SAL403"):
            session.set("projections.fine.weights", 2.0 * fits)
    told = "fine: up to 0.124 in steps of 1/1024" in executable.report.notes
    assert told == (exponents == "each")


def test_weights_that_the_chip_learns_or_that_need_the_room_keep_the_common_exponent() -> None:
    each = QUICK.with_options(projection_exponents="each")
    assert salhw.compile(behind_gains(learns=True), each, plugin=backend).target.weight_scales == {}
    net = behind_gains()
    large = net.replace(projections=[net.projections[0].replace(weights=[[40.0]]), net.projections[1]])
    assert salhw.compile(large, each, plugin=backend).target.weight_scales == {"fine": 0.5}, "twice .8"
    assert salhw.compile(net, each.ideal(), plugin=backend).target.weight_scales == {}
    off = GLM(bias=-1.0, inputs={"basal": 1.0, "apical": 0.0})  # which a session may raise to anything
    silent = net.replace(populations=[net.populations[0], net.populations[1].replace(neuron=off)])
    assert salhw.compile(silent, each, plugin=backend).target.weight_scales == {}


def test_limits_that_the_lowering_knows_are_those_that_the_target_declares() -> None:
    """No fix leads beyond them; and what is held at their ends can be written again."""
    lif, rule = LOIHI.neurons["LIF"], LOIHI.plasticity["PairSTDP"]
    assert lif["tau_m"].min == SHORTEST  # type: ignore[union-attr]
    assert rule["learning_rate"] == Range(min=-LARGEST_RATE, max=LARGEST_RATE)
    cell = LIF(bias=[-100.0, 100.0, 99.99], v_rest=0.00003)
    net = Network(name="ends", dt=1.0, populations=[Population(name="a", size=3, neuron=cell)])
    with salhw.compile(net, QUICK, plugin=backend).open() as session:
        held = session.get("populations.a.bias")
        assert np.abs(held - cell.bias).max() < LOIHI.accuracy["held"]
        session.set("populations.a.bias", held)
        assert np.array_equal(session.get("populations.a.bias"), held)


def test_weights_beyond_every_exponent_get_the_widest() -> None:
    """As of copies that a tie scales: the finding of what follows says that they are too large."""
    from salhw_lava.lower import chosen

    net = pairs(1, weights=(1e5, 0.0))
    auto = LOIHI.with_options(weight_exponent="auto")
    assert chosen(net, auto).projections["weights"] == with_weight_exponent(auto, 4).projections["weights"]
