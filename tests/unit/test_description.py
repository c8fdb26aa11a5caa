"""Every bad value is refused with the path to it, all of them at once; what is good compares and hashes by content."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from unit_examples import everything, mutations, networks, pair, stdp

import salhw
from salhw import (
    GLM,
    LIF,
    Clamp,
    Current,
    DescriptionError,
    Membrane,
    Network,
    OneToOne,
    PairSTDP,
    Poisson,
    Population,
    Projection,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    StateOccupancy,
    WakeSleep,
    Weights,
)
from salhw.description.grid import in_steps

NAN, INF = float("nan"), float("inf")
RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refusals(build: Any) -> dict[str, str]:
    """Path -> code of everything that is refused."""
    with pytest.raises(DescriptionError) as caught:
        build()
    for finding in caught.value.diagnostics:
        assert finding.supported, finding
        assert finding.fix, finding
        assert str(finding) in str(caught.value)
    return {finding.path: finding.code for finding in caught.value.diagnostics}


@pytest.mark.parametrize(
    ("build", "path", "code"),
    [
        (lambda: GLM(bias=NAN), "bias", "SAL004"),
        (lambda: GLM(bias=[0.0, NAN]), "bias[1]", "SAL004"),
        (lambda: GLM(bias="high"), "bias", "SAL001"),
        (lambda: GLM(bias=[[1.0]]), "bias", "SAL003"),
        (lambda: GLM(bias=[True]), "bias", "SAL001"),
        (lambda: GLM(tau_ref=0), "tau_ref", "SAL005"),
        (lambda: GLM(tau_ref=INF), "tau_ref", "SAL004"),
        (lambda: GLM(tau_ref="10"), "tau_ref", "SAL001"),
        (lambda: GLM(discretisation="euler"), "discretisation", "SAL005"),
        (lambda: LIF(v_reset=1.0), "v_reset", "SAL005"),
        (lambda: Population(name="a", size=0, neuron=GLM()), "size", "SAL005"),
        (lambda: Population(name="a", size=True, neuron=GLM()), "size", "SAL001"),
        (lambda: Population(name="1a", size=1, neuron=GLM()), "name", "SAL005"),
        (lambda: Population(name="a", size=1, neuron=3), "neuron", "SAL001"),
        (lambda: Population(name="a", size=1, neuron=Spikes("a")), "neuron", "SAL005"),
        (lambda: Sparse(post=[0], pre=[0, 1], weight=[1.0]), "Sparse", "SAL003"),
        (lambda: Sparse(post=[0, 0], pre=[1, 1], weight=[1.0, 2.0]), "Sparse", "SAL007"),
        (lambda: Sparse(post=[0.5], pre=[1], weight=[1.0]), "post[0]", "SAL001"),
        (lambda: Sparse(post=[1e300], pre=[1], weight=[1.0]), "post[0]", "SAL001"),
        (lambda: Sparse(post=[0], pre=[-1], weight=[1.0]), "pre[0]", "SAL005"),
        (lambda: projection(weights=[[0.0, NAN], [0.0, 0.0]]), "weights[0][1]", "SAL004"),
        (lambda: projection(weights=[[0.0], [0.0, 0.0]]), "weights", "SAL003"),
        (lambda: projection(weights=None), "weights", "SAL001"),
        (lambda: projection(delay=-0.4), "delay", "SAL005"),
        (lambda: projection(plasticity="SAL"), "plasticity", "SAL001"),
        (lambda: projection(plasticity=[stdp(0.1), 3]), "plasticity[1]", "SAL001"),
        (lambda: stdp(NAN), "learning_rate", "SAL004"),
        (lambda: stdp(0.1, update="every 0 ms"), "update", "SAL005"),
        (lambda: stdp(0.1, update="every 1.2.3 ms"), "update", "SAL005"),
        (lambda: stdp(0.1, update="every 1e999 ms"), "update", "SAL005"),
        (lambda: stdp(0.1, update="often"), "update", "SAL005"),
        (lambda: stdp(0.1, bounds=(1.0, 1.0)), "bounds", "SAL005"),
        (lambda: stdp(0.1, bounds=(0.0, INF)), "bounds[1]", "SAL004"),
        (lambda: salhw.SAL(0.1, tau=-1.0), "tau", "SAL005"),
        (lambda: salhw.Hebbian(0.1, paring="all"), "paring", "SAL002"),
        (lambda: WakeSleep(0.1, phase="dream"), "phase", "SAL005"),
        (lambda: Poisson("a", rate=[1.0, -1.0]), "rate[1]", "SAL005"),
        (lambda: Poisson("a", rate=1.0, start=2.0, stop=2.0), "stop", "SAL005"),
        (lambda: SpikeTimes("a", [[], [2.0, 1.0]]), "times[1][1]", "SAL005"),
        (lambda: SpikeTimes("a", [[-1.0]]), "times[0][0]", "SAL005"),
        (lambda: SpikeTimes("a", [[NAN]]), "times[0][0]", "SAL004"),
        (lambda: Clamp("a", state=[0, 2]), "state[1]", "SAL005"),
        (lambda: Clamp("a", state=0.5), "state", "SAL001"),
        (lambda: Clamp("a", state=1, neurons=[3, 3]), "neurons", "SAL006"),
        (lambda: Weights("a", every=-1.0), "every", "SAL005"),
        (lambda: Spikes(), "population", "SAL002"),
    ],
)
def test_a_part_refuses_a_bad_value_with_its_path(build: Any, path: str, code: str) -> None:
    assert refusals(build) == {path: code}


def projection(**changes: Any) -> Projection:
    return Projection(**({"name": "pair", "pre": "neurons", "post": "neurons", "weights": np.zeros((2, 2))} | changes))


def sources(**changes: Any) -> Network:
    population = Population(name="s", size=2, neuron=Source())
    return pair(populations=[pair().populations[0], population], **changes)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: pair(dt=0.3), {"populations.neurons.tau_ref": "SAL008", "projections.pair.kernel.tau_syn": "SAL008"}),
        (lambda: pair(populations=pair().populations * 2), {"populations.neurons": "SAL006"}),
        (lambda: pair(projections=pair().projections * 2), {"projections.pair": "SAL006"}),
        (lambda: pair(populations=[]), {"populations": "SAL005"}),
        (lambda: pair(projections=[projection(weights=np.zeros((2, 3)))]), {"projections.pair.weights": "SAL003"}),
        (lambda: pair(projections=[projection(weights=np.eye(2))]),
         {"projections.pair.weights[0][0]": "SAL010", "projections.pair.weights[1][1]": "SAL010"}),
        (lambda: pair(projections=[projection(weights=OneToOne(weight=1.0))]), {"projections.pair.weights": "SAL010"}),
        (
            lambda: pair(projections=[projection(weights=Sparse(post=[1, 0], pre=[0, 0], weight=[1, 1]))]),
            {"projections.pair.weights[1]": "SAL010"},
        ),
        (
            lambda: pair(projections=[projection(weights=Sparse(post=[2], pre=[0], weight=[1]))]),
            {"projections.pair.weights.post[0]": "SAL003"},
        ),
        (
            lambda: pair(projections=[projection(pre="neuron", post="nothing")]),
            {"projections.pair.pre": "SAL009", "projections.pair.post": "SAL009"},
        ),
        (
            lambda: pair(projections=[projection(plasticity=stdp(np.zeros(2), update="every 0.3 ms"))]),
            {"projections.pair.plasticity.learning_rate": "SAL003", "projections.pair.plasticity.update": "SAL008"},
        ),
        (
            lambda: pair(projections=[projection(plasticity=[stdp(0.1), stdp(np.zeros((3, 2)))])]),
            {"projections.pair.plasticity[1].learning_rate": "SAL003"},
        ),
        (lambda: pair(stimuli=[Poisson("neurons", rate=1.0)]), {"stimuli[0].population": "SAL011"}),
        (lambda: sources(stimuli=[Current("s", amplitude=1.0)]), {"stimuli[0].population": "SAL011"}),
        (lambda: sources(stimuli=[Clamp("s", state=1)]), {"stimuli[0].population": "SAL011"}),
        (lambda: sources(stimuli=[Poisson("s", rate=[1.0])]), {"stimuli[0].rate": "SAL003"}),
        (lambda: sources(stimuli=[Poisson("s", rate=1.0, start=0.5)]), {"stimuli[0].start": "SAL008"}),
        (lambda: pair(stimuli=[Clamp("neurons", state=1, neurons=[2])]), {"stimuli[0].neurons[0]": "SAL003"}),
        (lambda: pair(stimuli=[Clamp("neurons", state=[1], neurons=[0, 1])]), {"stimuli[0].state": "SAL003"}),
        (lambda: pair(stimuli=[SpikeTimes("neurons", [[0.4]])]), {"stimuli[0].times": "SAL003"}),
        (lambda: pair(stimuli=[SpikeTimes("neurons", [[], [0.4, 0.5]])]), {"stimuli[0].times[1][1]": "SAL008"}),
        (lambda: pair(probes=[Spikes("neurons"), Spikes("neurons")]), {"probes": "SAL006"}),
        (lambda: pair(probes=[Weights("neurons", every=0.5)]),
         {"probes[0].projection": "SAL009", "probes[0].every": "SAL008"}),
        (lambda: pair(probes=[Weights("pair", every=1e-9)]), {"probes[0].every": "SAL008"}),
        (lambda: pair(stimuli=[Current("neurons", 1.0, stop=1e-9)]), {"stimuli[0].stop": "SAL008"}),
        (lambda: sources(probes=[Membrane("s")]), {"probes[0].population": "SAL011"}),
        (
            lambda: Network(
                name="n",
                dt=1.0,
                populations=[Population(name="a", size=17, neuron=GLM())],
                probes=[StateOccupancy("a")],
            ),
            {"probes[0].population": "SAL005"},
        ),
    ],
)  # fmt: skip
def test_a_network_refuses_what_does_not_fit_together(build: Any, expected: dict[str, str]) -> None:
    assert refusals(build) == expected


def test_all_problems_are_reported_at_once() -> None:
    bad = {
        "populations": [Population(name="n", size=2, neuron=GLM(bias=[1.0, 2.0, 3.0], tau_ref=0.5))],
        "projections": [projection(pre="m", post="n", delay=0.1)],
        "stimuli": [Poisson("n", rate=1.0)],
        "probes": [Spikes("m")],
    }
    found = refusals(lambda: pair(**bad))
    assert len(found) == 6
    with pytest.raises(DescriptionError, match=re.escape("Network 'pair' is refused (6 problems)")):
        pair(**bad)


def test_all_problems_of_a_file_are_reported_with_the_paths_of_the_network() -> None:
    data = everything().model_dump()
    data["populations"][0]["neuron"] |= {"bais": 1.0, "tau_ref": -5.0}
    data["projections"][1]["plasticity"][1]["anticausal"]["tau"] = 0.0
    data["projections"][0]["plasticity"][0]["causal"]["amplitude"] = "big"
    data["stimuli"][0]["rate"] = [1.0, NAN]
    found = refusals(lambda: Network.model_validate(data))
    assert found == {
        "populations.a.bais": "SAL002",
        "populations.a.tau_ref": "SAL005",
        "projections.sb.plasticity[1].anticausal.tau": "SAL005",
        "projections.aa.plasticity.causal.amplitude": "SAL001",
        "stimuli[0].rate[1]": "SAL004",
    }


@pytest.mark.parametrize(("wrong", "message"), [
    (lambda: GLM(bias=[0.0, np.float32("nan")]), r"SAL004 bias\[1\] = nan: finite"),
    (lambda: Population(name="n", size=np.int64(0), neuron=GLM()), "SAL005 size = 0: >= 1"),
    (lambda: GLM(discretisation=np.str_("x")), "SAL005 discretisation = 'x': "),
    (lambda: GLM(bias={"a": [np.float64(2.0)]}), r"SAL001 bias = {'a': \[2.0\]}: "),
])  # fmt: skip
def test_numbers_of_numpy_are_told_as_numbers(wrong: Any, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        wrong()


def test_a_name_that_is_too_long_is_told_from_what_is_no_name() -> None:
    with pytest.raises(DescriptionError, match="SAL005 name = 81 letters: at most 80 letters"):
        Population(name="a" * 81, size=1, neuron=GLM())
    with pytest.raises(DescriptionError, match="SAL001 name = 3: a string"):
        Population(name=3, size=1, neuron=GLM())  # type: ignore[arg-type]


def test_an_unknown_field_names_the_model_that_lacks_it_and_the_nearest_field() -> None:
    with pytest.raises(DescriptionError) as caught:
        Population(name="a", size=1, neuron={"kind": "GLM", "bais": 1.0})
    (finding,) = caught.value.diagnostics
    assert (finding.path, finding.supported, finding.fix) == ("bais", "unknown field of GLM", "did you mean bias?")


def test_a_range_error_says_asked_and_supported_in_its_unit() -> None:
    with pytest.raises(DescriptionError) as caught:
        GLM(tau_ref=-1.5)
    assert str(caught.value) == (
        "DescriptionError: GLM is refused (1 problem)\n"
        "SAL005 tau_ref = -1.5 ms: > 0 ms\n"
        "       fix: choose tau_ref > 0 ms"
    )


@pytest.mark.parametrize(("bounds", "asked"), [([], "0 entries"), ([0.5], "1 entry"), ([-1.0, 0.0, 1.0], "3 entries")])
def test_a_list_of_another_length_is_told_once_with_both_lengths(bounds: list[float], asked: str) -> None:
    data = pair(projections=[pair().projections[0].replace(plasticity=stdp(0.1))]).model_dump()
    data["projections"][0]["plasticity"][0]["bounds"] = bounds
    with pytest.raises(DescriptionError) as caught:
        Network.model_validate(data)
    (finding,) = caught.value.diagnostics
    assert finding.code == "SAL003"
    assert finding.path.endswith(".plasticity.bounds")
    assert (finding.asked, finding.supported, finding.fix) == (asked, "2 entries", "give 2 entries")


def test_positional_arguments_are_not_overridden_in_silence() -> None:
    assert Poisson("a", 3.0) == Poisson(population="a", rate=3.0)
    with pytest.raises(TypeError, match="two values for population"):
        Poisson("a", rate=1.0, population="b")
    with pytest.raises(TypeError, match="at most"):
        Spikes("a", [1], "b")


def test_replace_validates_and_leaves_the_original_alone() -> None:
    net = pair()
    before = net.content_hash
    assert net.replace(name="other").name == "other"
    assert refusals(lambda: net.replace(dt=0.3)).keys() >= {"populations.neurons.tau_ref"}
    assert refusals(lambda: net.replace(nmae="x")) == {"nmae": "SAL002"}
    assert net.content_hash == before


def test_nothing_can_be_changed_in_place() -> None:
    net = pair()
    with pytest.raises(ValidationError, match="frozen"):
        net.dt = 1.0
    with pytest.raises(ValueError, match="read-only"):
        net.projections[0].weights.values[0, 1] = 7.0
    mine = np.array([0.0, 1.0])
    neuron = GLM(bias=mine)
    mine[0] = 9.0
    assert neuron.bias[0] == 0.0


def test_numbers_of_numpy_are_numbers() -> None:
    population = Population(name="a", size=np.int64(2), neuron=GLM(bias=np.float32(2), tau_ref=np.float32(4)))
    assert population == Population(name="a", size=2, neuron=GLM(bias=2, tau_ref=4))
    assert type(population.neuron.bias) is float


def test_equal_descriptions_have_equal_hashes() -> None:
    assert pair() == pair()
    assert hash(pair()) == hash(pair())
    assert GLM(bias=[0.0, 1.0]) == GLM(bias=[-0.0, 1.0])
    assert hash(GLM(bias=[0.0, 1.0])) == hash(GLM(bias=[-0.0, 1.0]))
    assert GLM(bias=-0.0).content_hash == GLM(bias=0.0).content_hash
    assert GLM(bias=[1.0]) != GLM(bias=1.0)
    assert GLM() != LIF()


def test_the_hash_is_the_same_in_another_process() -> None:
    code = "from unit_examples import everything; print(everything().content_hash)"
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=__file__.rpartition("/")[0],
        env={"PYTHONHASHSEED": "1", "PATH": ""},
    )  # fmt: skip
    assert there.stdout.strip() == everything().content_hash


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """(path, value) of all plain values of nested data."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in items:
            yield from leaves(part, (*path, key))
    else:
        yield path, value


def test_every_change_changes_the_hash() -> None:
    net = everything()
    hashes = {net.content_hash}
    changed = 0
    for path, value in leaves(net.model_dump()):
        if isinstance(value, np.ndarray) and value.size:
            new: Any = value + (np.arange(value.size).reshape(value.shape) == value.size - 1) * 0.5
        elif isinstance(value, float):
            new = value + 0.5
        elif value is None:
            new = 100.0 if path[-1] in ("area", "stop", "every") else None
        else:
            continue
        data = net.model_dump()
        at: Any = data
        for key in path[:-1]:
            at[key] = list(at[key]) if isinstance(at[key], tuple) else at[key]
            at = at[key]
        at[path[-1]] = new
        try:
            other = Network.model_validate(data)
        except DescriptionError:  # such as a self-connection
            continue
        if new is not None:
            hashes.add(other.content_hash)
            changed += 1
    assert changed > 40
    assert len(hashes) == changed + 1


def test_descriptions_travel_between_processes() -> None:
    net = everything()
    assert pickle.loads(pickle.dumps(net)) == net
    with pytest.raises(DescriptionError) as caught:
        pair(dt=0.3)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.diagnostics == caught.value.diagnostics
    assert str(again) == str(caught.value)


@pytest.mark.parametrize(("time", "steps"), [(1.2, 3), (0.0, 0), (1.3, None), (NAN, None), (INF, None), (-0.4, -1)])
def test_in_steps(time: float, steps: int | None) -> None:
    assert in_steps(time, 0.4) == steps


@RANDOM
@given(networks())
def test_a_random_network_survives_its_own_data(net: Network) -> None:
    again = Network.model_validate(net.model_dump())
    assert again == net
    assert again.content_hash == net.content_hash


@RANDOM
@given(networks(), st.randoms(use_true_random=False))
def test_a_random_mutation_is_refused_at_its_path(net: Network, random: Any) -> None:
    for path, code, data in random.sample(list(mutations(net)), 5):
        found = refusals(lambda data=data: Network.model_validate(data))
        assert found.get(path) == code, (path, code, found)


def test_millions_of_synapses_are_checked_in_seconds() -> None:
    rng = np.random.default_rng(0)
    count, n = 2_000_000, 20_000
    pairs = rng.choice(n * n, size=count, replace=False)
    began = time.process_time()
    sparse = Sparse(post=pairs // n, pre=pairs % n, weight=np.ones(count))
    assert time.process_time() - began < 2.0  # a million a second; sorting rows takes ten times as long
    with pytest.raises(DescriptionError, match="SAL007"):
        sparse.replace(post=np.append(sparse.post, sparse.post[7]), pre=np.append(sparse.pre, sparse.pre[7]),
                       weight=np.ones(count + 1))  # fmt: skip


def test_synapses_are_sorted_by_post_then_pre_and_know_their_place() -> None:
    from salhw.description.connectivity import count, synapses

    sparse = Sparse(post=[2, 0, 2], pre=[1, 3, 0], weight=[10.0, 20.0, 30.0])
    post, pre, place = synapses(sparse, 3, 4, recurrent=False)
    assert (post.tolist(), pre.tolist(), place.tolist()) == ([0, 2, 2], [3, 0, 1], [1, 2, 0])
    for net in (everything(), pair()):
        for p in net.projections:
            ends = net.population(p.post).size, net.population(p.pre).size, p.pre == p.post
            assert count(p.weights, *ends) == len(synapses(p.weights, *ends)[0])


def test_rules_are_data() -> None:
    for make, causal, anticausal in ((salhw.SAL, -1, 1), (salhw.Hebbian, 1, -1), (salhw.AntiHebbian, -1, 1)):
        rule = make(0.1, tau=7.0)
        assert isinstance(rule, PairSTDP)
        assert (rule.causal.amplitude, rule.anticausal.amplitude, rule.causal.tau) == (causal, anticausal, 7.0)
    assert salhw.SAL(0.1).pairing == "nearest_restricted"
    assert WakeSleep(0.1, phase="wake").causal.amplitude == -WakeSleep(0.1, phase="sleep").causal.amplitude == 1.0
    assert stdp(0.1, update="every 2.5e1 ms").period == 25.0
