"""Networks for the unit tests: one that has everything, hypothesis strategies for others, and ways to break them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from salhw import (
    GLM,
    LIF,
    AllToAll,
    Alpha,
    Boxcar,
    Clamp,
    Current,
    Dense,
    Exponential,
    ExponentialTrace,
    ExponentialWindow,
    Membrane,
    Network,
    NoisyCurrent,
    OneToOne,
    PairSTDP,
    Poisson,
    Population,
    PredictiveRule,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    StateOccupancy,
    Target,
    Teacher,
    Tie,
    Trace,
    Traces,
    TriangularWindow,
    Weights,
    target,
)


def pair(**changes: Any) -> Network:
    """Two neurons with SAL, as in the design."""
    base: dict[str, Any] = {
        "name": "pair",
        "dt": 0.4,
        "populations": [Population(name="neurons", size=2, neuron=GLM(bias=[-0.5, -0.2], tau_ref=10.0))],
        "projections": [
            Projection(
                name="pair",
                pre="neurons",
                post="neurons",
                weights=[[0.0, 1.5], [0.5, 0.0]],
                kernel=Rectangular(tau_syn=10.0),
                plasticity=stdp(0.03),
            )
        ],
        "probes": [Spikes("neurons")],
    }
    return Network(**(base | changes))


def stdp(learning_rate: Any, **options: Any) -> PairSTDP:
    """A rule with two different windows."""
    causal = ExponentialWindow(amplitude=-1.0, tau=10.0)
    return PairSTDP(causal=causal, anticausal=TriangularWindow(tau=12.0), learning_rate=learning_rate, **options)


def everything() -> Network:
    """Every neuron model, connectivity, kernel, stimulus, probe and average once."""
    return Network(
        name="everything",
        dt=0.5,
        populations=[
            Population(name="a", size=3, neuron=GLM(bias=[0.1, -0.2, 1 / 3], tau_ref=5.0)),
            Population(name="b", size=2, neuron=LIF(bias=0.7, tau_ref=1.0, inputs={"far": 0.1})),
            Population(name="c", size=3, neuron=GLM(discretisation="exact")),
            Population(name="s", size=2, neuron=Source()),
        ],
        projections=[
            Projection(name="aa", pre="a", post="a", weights=np.ones((3, 3)) - np.eye(3), plasticity=stdp(0.01)),
            Projection(
                name="sb",
                pre="s",
                post="b",
                weights=Sparse(post=[1, 0], pre=[0, 1], weight=[0.3, -0.1]),
                kernel=Exponential(tau_syn=3.0, area=2.0),
                delay=1.5,
                into="far",
                plasticity=[stdp([0.1, 0.2], update="run end"), stdp(0.1, update="every 20 ms", bounds=(-1, 1))],
            ),
            Projection(name="ac", pre="a", post="c", weights=OneToOne(weight=[0.1, 0.2, 0.3]), kernel=Alpha()),
            Projection(
                name="cc",
                pre="c",
                post="c",
                weights=AllToAll(weight=-0.1),
                plasticity=PredictiveRule("potential", "potential", learning_rate=0.1),
            ),
            Projection(name="copy", pre="c", post="c", weights=AllToAll(weight=0.0)),
        ],
        stimuli=[
            Poisson("s", rate=[20.0, 30.0], stop=50.0),
            SpikeTimes("a", [[1.0, 2.5], [], [7.0]]),
            Clamp("c", state=[1, 0], neurons=[0, 2], start=10.0),
            Current("b", amplitude=0.4, start=5.0, stop=60.0),
            Teacher("c", "potential", target=[0.1, 0.2, 0.3], gain=0.5),
            Current("b", amplitude=[0.4, 0.2], every=5.0),
            NoisyCurrent("b", sd=0.5, every=5.0),
        ],
        probes=[
            Spikes("a"),
            Spikes("b"),
            Membrane("b", every=2.0),
            Weights("sb", every=10.0),
            StateOccupancy("a"),
            Traces("drive"),
        ],
        traces=[
            Trace(name="drive", population="b", of="inputs.far", window=Boxcar(20.0)),
            Trace(name="activity", population="s", of="spikes", window=ExponentialTrace(7.0)),
            Trace(name="potential", population="c", of="inputs", window=ExponentialTrace(7.0)),
        ],
        ties=[Tie("copy", "cc", scale=2.0, transpose=True, every=3.0)],
    )


# strategies ---------------------------------------------------------------------------------------------------------

numbers = st.floats(-5, 5, allow_nan=False).map(lambda x: x + 0.0)
positive = st.floats(0.1, 30.0)


def arrays(*shape: int) -> st.SearchStrategy[np.ndarray]:
    """Arrays of that shape."""
    n = int(np.prod(shape))
    return st.lists(numbers, min_size=n, max_size=n).map(lambda v: np.array(v, dtype=float).reshape(shape))


def one_or_each(*shape: int) -> st.SearchStrategy[Any]:
    """A number, or one per place."""
    return numbers | arrays(*shape)


@st.composite
def populations(draw: st.DrawFn, name: str, dt: float) -> Population:
    size = draw(st.integers(1, 4))
    steps = st.integers(1, 40).map(lambda k: k * dt)
    common: dict[str, Any] = {"bias": one_or_each(size), "tau_ref": steps}
    common["inputs"] = st.dictionaries(st.sampled_from(["basal", "apical", "x9"]), numbers)
    glm = st.builds(GLM, discretisation=st.sampled_from(["logistic", "exact"]), **common)
    lif = st.builds(LIF, tau_m=positive, v_reset=st.floats(-2, 0.5), **common)
    return Population(name=name, size=size, neuron=draw(glm | lif | st.just(Source())))


@st.composite
def rules(draw: st.DrawFn, shape: tuple[int, ...], dt: float) -> PairSTDP:
    window = st.builds(ExponentialWindow, amplitude=one_or_each(*shape), tau=positive) | st.builds(
        TriangularWindow, amplitude=numbers, tau=positive
    )
    return PairSTDP(
        causal=draw(window),
        anticausal=draw(window),
        pairing=draw(st.sampled_from(["all", "nearest_symmetric", "nearest_restricted"])),
        learning_rate=draw(one_or_each(*shape)),
        update=draw(st.sampled_from(["spike", "run end", f"every {7 * dt} ms"])),
        bounds=draw(st.none() | st.just((-6.0, 6.0))),
    )


@st.composite
def projections(draw: st.DrawFn, name: str, chosen: list[Population], dt: float) -> Projection:
    pre, post = draw(st.sampled_from(chosen)), draw(st.sampled_from(chosen))
    recurrent = pre.name == post.name
    matrix = draw(arrays(post.size, pre.size))
    if recurrent:
        np.fill_diagonal(matrix, 0.0)
    pairs = [(i, j) for i in range(post.size) for j in range(pre.size) if not (recurrent and i == j)]
    some = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    sparse = Sparse(post=[i for i, _ in some], pre=[j for _, j in some], weight=draw(arrays(len(some))))
    options = [Dense(values=matrix), sparse, AllToAll(weight=draw(numbers))]
    if pre.size == post.size and not recurrent:
        options.append(OneToOne(weight=draw(one_or_each(post.size))))
    weights = draw(st.sampled_from(options))
    shape = (len(some),) if isinstance(weights, Sparse) else (post.size, pre.size)
    shape = (post.size,) if isinstance(weights, OneToOne) else shape
    last = st.sampled_from(["sum", "last"])
    smooth = st.builds(Exponential, tau_syn=positive) | st.builds(Alpha, tau_syn=positive, area=positive)
    return Projection(
        name=name,
        pre=pre.name,
        post=post.name,
        weights=weights,
        kernel=draw(
            st.builds(Rectangular, tau_syn=st.integers(1, 40).map(lambda k: k * dt), superposition=last) | smooth
        ),
        delay=draw(st.integers(0, 9)) * dt,
        plasticity=draw(st.lists(rules(shape, dt), max_size=2)),
        into=draw(st.sampled_from([None, *post.neuron.input_gains])),
    )


def predictions(names: list[str], dt: float) -> st.SearchStrategy[PredictiveRule]:
    """Rules that read traces of these names."""
    return st.builds(
        PredictiveRule,
        teacher=st.sampled_from(names),
        prediction=st.sampled_from(names),
        link=st.sampled_from(["logistic", "exponential"]),
        learning_rate=numbers,
        update=st.sampled_from(["spike", "run end", f"every {7 * dt} ms"]),
        bounds=st.none() | st.just((-6.0, 6.0)),
    )


@st.composite
def traces(draw: st.DrawFn, name: str, chosen: list[Population], dt: float) -> Trace:
    p = draw(st.sampled_from(chosen))
    of = ["membrane", "inputs", *(f"inputs.{name}" for name in p.neuron.input_gains)]
    boxcar = st.integers(1, 40).map(lambda k: Boxcar(duration=k * dt))
    return Trace(
        name=name,
        population=p.name,
        of=draw(st.sampled_from(["spikes"] if isinstance(p.neuron, Source) else ["spikes", *of])),
        window=draw(boxcar | st.builds(ExponentialTrace, tau=positive)),
    )


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Valid networks."""
    dt = draw(st.sampled_from([0.1, 0.25, 0.4, 1.0]))
    chosen = [draw(populations(f"p{k}", dt)) for k in range(draw(st.integers(1, 3)))]
    linked = [draw(projections(f"q{k}", chosen, dt)) for k in range(draw(st.integers(0, 2)))]
    stimuli: list[Any] = []
    for p in chosen:
        if isinstance(p.neuron, Source):
            rate = draw(st.lists(st.floats(0, 100), min_size=1, max_size=4))
            stimuli.append(
                Poisson(p.name, rate, start=draw(st.integers(0, 5)) * dt, every=draw(st.integers(1, 5)) * dt)
            )
        else:
            stimuli.append(Current(p.name, amplitude=draw(one_or_each(p.size)), stop=draw(st.none() | st.just(3 * dt))))
        stimuli.append(SpikeTimes(p.name, [draw(st.sets(st.integers(0, 50)).map(sorted)) for _ in range(p.size)]))
        stimuli[-1] = SpikeTimes(p.name, [train * dt for train in stimuli[-1].times])
        if isinstance(p.neuron, GLM):
            stimuli.append(Clamp(p.name, state=draw(st.integers(0, 1)), neurons=draw(st.none() | st.just([0]))))
    probes: list[Any] = [Spikes(p.name) for p in chosen if draw(st.booleans())]
    probes += [Weights(q.name, every=4 * dt) for q in linked if draw(st.booleans())]
    averaged = [draw(traces(f"t{k}", chosen, dt)) for k in range(draw(st.integers(0, 2)))]
    probes += [Traces(t.name, every=draw(st.none() | st.just(3 * dt))) for t in averaged if draw(st.booleans())]
    for t in averaged:
        if t.quantity != "spikes" and draw(st.booleans()):
            size = next(p.size for p in chosen if p.name == t.population)
            stimuli.append(Teacher(t.population, t.name, target=draw(one_or_each(size)), gain=draw(numbers)))
    for k, q in enumerate(linked):
        about = [t.name for t in averaged if t.population == q.post]
        if about and isinstance(next(p.neuron for p in chosen if p.name == q.post), GLM) and draw(st.booleans()):
            linked[k] = q.replace(plasticity=draw(predictions(about, dt)))
    plain = [q for q in linked if not q.plasticity]
    ties = [
        Tie(q.name, o.name, scale=draw(numbers), every=draw(st.none() | st.just(2 * dt)))
        for q, o in itertools.product(plain[:1], [q for q in linked if q.plasticity][:1])
        if isinstance(o.weights, Dense) and (q.pre, q.post) == (o.pre, o.post)
    ]
    return Network(
        name="random", dt=dt, populations=chosen, projections=linked, stimuli=stimuli, probes=probes, traces=averaged,
        ties=ties,
    )  # fmt: skip


# ways to break a network --------------------------------------------------------------------------------------------


def mutations(net: Network) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, code, data): every way that applies to ``net`` to make its data invalid at ``path``."""

    def broken(*keys: Any, to: Any) -> dict[str, Any]:
        data = copy.deepcopy(net.model_dump())
        at = data
        for key in keys[:-1]:
            at[key] = list(at[key]) if isinstance(at[key], tuple) else at[key]
            at = at[key]
        if to is None:
            del at[keys[-1]]
        else:
            at[keys[-1]] = to
        return data

    yield "dt", "SAL005", broken("dt", to=-net.dt)
    yield "dt", "SAL004", broken("dt", to=float("nan"))
    yield "dt", "SAL002", broken("dt", to=None)
    yield "name", "SAL005", broken("name", to="two words")
    yield "probs", "SAL002", broken("probs", to=[])
    for k, p in enumerate(net.populations):
        path, at = f"populations.{p.name}", ("populations", k)
        yield f"{path}.size", "SAL005", broken(*at, "size", to=0)
        yield f"{path}.size", "SAL001", broken(*at, "size", to=p.size + 0.5)
        yield f"{path}.neuron", "SAL005", broken(*at, "neuron", "kind", to="HodgkinHuxley")
        yield f"{path}.bais", "SAL002", broken(*at, "neuron", "bais", to=0.0)
        if len(net.populations) > 1:
            other = net.populations[k - 1].name
            yield f"populations.{other}", "SAL006", broken(*at, "name", to=other)
        if isinstance(p.neuron, Source):
            yield (
                f"stimuli[{len(net.stimuli)}].population",
                "SAL011",
                broken(
                    "stimuli",
                    to=[*net.model_dump()["stimuli"], {"kind": "Current", "population": p.name, "amplitude": 1.0}],
                ),
            )
            continue
        yield (
            f"{path}.bias[{p.size - 1}]",
            "SAL004",
            broken(*at, "neuron", "bias", to=[0.0] * (p.size - 1) + [float("inf")]),
        )
        yield f"{path}.inputs.basal", "SAL004", broken(*at, "neuron", "inputs", to={"basal": float("nan")})
        yield f"{path}.bias", "SAL003", broken(*at, "neuron", "bias", to=[0.0] * (p.size + 1))
        yield f"{path}.tau_ref", "SAL008", broken(*at, "neuron", "tau_ref", to=1.5 * net.dt)
        yield f"{path}.tau_ref", "SAL008", broken(*at, "neuron", "tau_ref", to=1e-9 * net.dt)
        yield (
            f"stimuli[{len(net.stimuli)}].population",
            "SAL011",
            broken(
                "stimuli", to=[*net.model_dump()["stimuli"], {"kind": "Poisson", "population": p.name, "rate": 1.0}]
            ),
        )
    for k, q in enumerate(net.projections):
        path, at = f"projections.{q.name}", ("projections", k)
        yield f"{path}.pre", "SAL009", broken(*at, "pre", to="nowhere")
        yield f"{path}.into", "SAL009", broken(*at, "into", to="nowhere")
        yield f"{path}.delay", "SAL005", broken(*at, "delay", to=-net.dt)
        yield f"{path}.delay", "SAL008", broken(*at, "delay", to=0.5 * net.dt)
        yield f"{path}.kernel.tau_syn", "SAL005", broken(*at, "kernel", "tau_syn", to=0.0)
        if isinstance(q.kernel, Rectangular):
            yield f"{path}.kernel.tau_syn", "SAL008", broken(*at, "kernel", "tau_syn", to=1.5 * net.dt)
        n_post, n_pre = net.population(q.post).size, net.population(q.pre).size
        if isinstance(q.weights, Dense):
            ones = np.zeros((n_post + 1, n_pre))
            yield f"{path}.weights", "SAL003", broken(*at, "weights", "values", to=ones)
            if q.pre == q.post:
                yield f"{path}.weights[0][0]", "SAL010", broken(*at, "weights", "values", to=np.eye(n_post))
        elif isinstance(q.weights, Sparse):
            twice = {"kind": "Sparse", "post": [0, 0], "pre": [0, 0], "weight": [1.0, 1.0]}
            yield f"{path}.weights", "SAL007", broken(*at, "weights", to=twice)
            far = {"kind": "Sparse", "post": [0], "pre": [n_pre], "weight": [1.0]}
            yield f"{path}.weights.pre[0]", "SAL003", broken(*at, "weights", to=far)
            below = {"kind": "Sparse", "post": [-1], "pre": [0], "weight": [1.0]}
            yield f"{path}.weights.post[0]", "SAL005", broken(*at, "weights", to=below)
        for r in range(len(q.plasticity)):
            rule = f"{path}.plasticity" if len(q.plasticity) == 1 else f"{path}.plasticity[{r}]"
            if isinstance(q.plasticity[r], PredictiveRule):
                yield f"{rule}.teacher", "SAL009", broken(*at, "plasticity", r, "teacher", to="nobody")
                yield f"{rule}.link", "SAL005", broken(*at, "plasticity", r, "link", to="linear")
                continue
            yield f"{rule}.causal.tau", "SAL005", broken(*at, "plasticity", r, "causal", "tau", to=-1.0)
            yield f"{rule}.learning_rate", "SAL003", broken(*at, "plasticity", r, "learning_rate", to=np.zeros((9, 9)))
            yield f"{rule}.update", "SAL005", broken(*at, "plasticity", r, "update", to="every 0 ms")
            yield f"{rule}.update", "SAL008", broken(*at, "plasticity", r, "update", to=f"every {1.5 * net.dt} ms")
            yield f"{rule}.bounds", "SAL005", broken(*at, "plasticity", r, "bounds", to=(1.0, -1.0))
            yield f"{rule}.pairing", "SAL005", broken(*at, "plasticity", r, "pairing", to="nearest")
    for k, s in enumerate(net.stimuli):
        yield f"stimuli[{k}].population", "SAL009", broken("stimuli", k, "population", to="nowhere")
        if isinstance(s, SpikeTimes):
            yield f"stimuli[{k}].times", "SAL003", broken("stimuli", k, "times", to=[*s.times, np.zeros(0)])
            yield (
                f"stimuli[{k}].times[0][1]",
                "SAL008",
                broken("stimuli", k, "times", to=[np.array([0.0, 1.5 * net.dt]), *s.times[1:]]),
            )
            yield (
                f"stimuli[{k}].times[0][1]",
                "SAL005",
                broken("stimuli", k, "times", to=[np.array([net.dt, 0.0]), *s.times[1:]]),
            )
    for k in range(len(net.ties)):
        yield f"ties[{k}].to", "SAL009", broken("ties", k, "to", to="nowhere")
        yield f"ties[{k}].every", "SAL008", broken("ties", k, "every", to=1.5 * net.dt)
    for k, t in enumerate(net.traces):
        yield f"traces.{t.name}.population", "SAL009", broken("traces", k, "population", to="nowhere")
        yield f"traces.{t.name}.of", "SAL005", broken("traces", k, "of", to="inputs.")
        if t.quantity != "spikes":
            yield f"traces.{t.name}.of", "SAL009", broken("traces", k, "of", to="inputs.nowhere")
        if isinstance(t.window, Boxcar):
            yield (
                f"traces.{t.name}.window.duration",
                "SAL008",
                broken("traces", k, "window", "duration", to=1.5 * net.dt),
            )
    for k in range(len(net.probes)):
        field = {Weights: "projection", Traces: "trace"}.get(type(net.probes[k]), "population")
        yield f"probes[{k}].{field}", "SAL009", broken("probes", k, field, to="nowhere")


REFERENCE = target("reference")


def weak() -> Target:
    """A target that has little: no host learning, one time constant range, few neurons."""
    data = REFERENCE.model_dump()
    data["name"] = "weak"
    data["neurons"] = {"GLM": {"arrays": ["bias"], "bias": [-2.0, 2.0], "tau_ref": [5.0, 20.0]}}
    data["kernels"] = {"Rectangular": {"tau_syn": [5.0, 20.0]}}
    data["windows"] = {"Exponential": {"amplitude": [-1.0, 1.0], "tau": [2.0, 30.0]}}
    data["plasticity"] = {
        "PairSTDP": {"pairing": ["nearest_restricted"], "learning_rate": [0.0, 1.0], "update": ["spike"]}
    }
    data["projections"] = {"connectivity": ["Dense"], "weights": [-1.0, 1.0]}
    data["resources"] = {"neurons": 4, "synapses": 3}
    return Target.model_validate(data)
