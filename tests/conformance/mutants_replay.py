"""Wrong backends that slip through checks of one thing at one operating point: the reference, or the plain example,
with one bug each. Random networks that are replayed have to catch every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mutants_engineering import Wrong
from replayed_sessions import (
    FirstPoints,
    HazardPerMillisecond,
    LateCurrents,
    LatePoints,
    LateWeights,
    LearningIgnoresWrites,
    NamedInputsWithGains,
    OneRateForAllInstances,
    OneStimulusForAllInstances,
    OneValueForAllInstances,
    RatesOfWholePeriods,
    RoundedWrites,
    SynapseVariablesAfterTheirSpikes,
    SynapseVariablesHoldBetweenSpikes,
    SynapseVariablesInSinglePrecision,
    SynapseVariablesOfTheStepBefore,
    VariablesAfterTheirSpikes,
    VariablesInSinglePrecision,
    VariablesOfTheStepBefore,
    WrittenTimesDoNothing,
    WrittenTimesOfTheFirst,
)
from wrong_backends import each_neuron, each_projection, each_rule_of, each_stimulus
from wrong_engines import (
    PlainWrong,
    begin_and_start_the_clock,
    begin_and_start_the_rates,
    begin_without_pairs,
    begin_without_the_past,
    clip_the_first_rule,
    finish_and_keep_the_pairs,
    forced_unless_refractory,
    learn_by_the_clock_of_the_run,
    learn_by_the_first_rule,
    learn_from_arrivals,
    teach_at_once,
)

from salhw import (
    GLM,
    LIF,
    AdEx,
    Clamp,
    Current,
    Izhikevich,
    Membrane,
    ModulatedSTDP,
    Network,
    NoisyCurrent,
    PerSpike,
    Poisson,
    Sparse,
    SynapseVariable,
    Teacher,
    TripletSTDP,
    Variable,
)

# ---------------------------------------------------------------- networks


def starting_late(s: Any, dt: float) -> dict[str, Any]:
    return {"start": s.start + dt, "stop": s.stop and s.stop + dt}


def silenced(s: Any, dt: float) -> dict[str, Any]:
    """A stimulus that begins when all is over."""
    return {"start": 1e6 * dt, "stop": None}


def ending_with_the_last_point(s: Any, dt: float) -> dict[str, Any]:
    """A course ends with the last point's ``every``, instead of holding it."""
    end = np.inf if s.every is None else s.start + len(s.points) * s.every
    return {"stop": min(end, s.stop or np.inf)} if end < np.inf else {}


def silent(p: Any) -> Any:
    """A projection whose PSPs do nothing, and which learns as before."""
    return p.replace(kernel=p.kernel.replace(area=1e-9 * p.kernel.tau_syn))


def only_the_last(net: Network) -> Network:
    """Of parallel projections only the last one acts."""
    last = {(p.pre, p.post): p.name for p in net.projections}
    return net.replace(projections=[p if last[p.pre, p.post] == p.name else silent(p) for p in net.projections])


def lif_without_synapses(net: Network) -> Network:
    return net.replace(
        projections=[silent(p) if isinstance(net.population(p.post).neuron, LIF) else p for p in net.projections]
    )


def one_delay_for_all(net: Network) -> Network:
    """All projections onto a population share the longest delay of its first."""
    first: dict[str, float] = {}
    delays = [first.setdefault(p.post, p.longest_delay(net.dt) * net.dt) for p in net.projections]
    return net.replace(projections=[p.replace(delay=delay) for p, delay in zip(net.projections, delays, strict=True)])


def stopping_late(s: Any, dt: float) -> dict[str, Any]:
    return {} if s.stop is None else {"stop": s.stop + dt}


def late_if_it_learns(p: Any, dt: float) -> Any:
    return p.replace(delay=p.delay + dt) if p.plasticity else p


def turned(p: Any, dt: float) -> Any:
    return p if p.e_rev is None else p.replace(e_rev=-p.e_rev)


def all_currents(net: Network) -> Network:
    """Conductances are taken for currents; what a probe of one of them shows, nothing."""
    probes = [p for p in net.probes if not (isinstance(p, Variable) and p.of_projection)]
    return net.replace(projections=[p.replace(e_rev=None) for p in net.projections], probes=probes)


def short_term(changed: Callable[[Any], Any]) -> Callable[[Any, float], Any]:
    """A projection whose short-term plasticity is another, where it has any."""
    return lambda p, dt: p if p.short_term is None else p.replace(short_term=changed(p.short_term))


def without_short_term(net: Network) -> Network:
    """No projection has short-term plasticity, and no probe shows any."""
    probes = [p for p in net.probes if not isinstance(p, SynapseVariable)]
    return net.replace(projections=[p.replace(short_term=None) for p in net.projections], probes=probes)


def first_synapses(net: Network) -> Network:
    """Probes of what some synapses remember look at as many from the first one on."""
    return net.replace(
        probes=[
            p.replace(synapses=np.arange(len(p.synapses)))
            if isinstance(p, SynapseVariable) and p.synapses is not None else p
            for p in net.probes
        ]
    )  # fmt: skip


def lower(n: LIF) -> Any:
    """Where a membrane is reset that forgets v_reset."""
    return np.minimum(n.v_rest, np.asarray(n.v_thresh) - 0.01)


def the_first(field: str) -> Callable[[Any, float], dict[str, Any]]:
    """A parameter of the first neuron for all."""
    return lambda n, dt: {field: np.ravel(getattr(n, field))[0]}


def from_the_other_end(net: Network) -> Network:
    """Lists of synapses, as random connectors draw them, count presynaptic neurons from the last one."""
    return net.replace(
        projections=[
            p.replace(weights=p.weights.replace(pre=net.population(p.pre).size - 1 - p.weights.pre))
            if isinstance(p.weights, Sparse) and not p.recurrent else p
            for p in net.projections
        ]
    )  # fmt: skip


def first_neurons(kind: type) -> Callable[[Network], Network]:
    """Probes of some neurons look at as many from the first one on."""
    return lambda net: net.replace(
        probes=[
            p.replace(neurons=np.arange(len(p.neurons))) if isinstance(p, kind) and p.neurons is not None else p
            for p in net.probes
        ]
    )


def first_clamp_holds(net: Network) -> Network:
    """Where clamps overlap, the first one in the list holds."""
    clamps = iter([s for s in net.stimuli if isinstance(s, Clamp)][::-1])
    return net.replace(stimuli=[next(clamps) if isinstance(s, Clamp) else s for s in net.stimuli])


def modulated_by_the_first_trace(net: Network) -> Network:
    """Every third factor is the first trace of the network."""
    return each_rule_of(ModulatedSTDP, lambda rule: {"modulator": net.traces[0].name})(net) if net.traces else net


# ---------------------------------------------------------------- all of them


@dataclass(frozen=True)
class Mutant:
    """A bug, and the kinds of departures of which one, at least, has to come up."""

    name: str
    factory: Callable[[], Any]
    departs: tuple[str, ...]


def wrong(name: str, *departs: str, **fields: Any) -> Mutant:
    """The reference with a bug."""
    return Mutant(name, lambda: Wrong(**fields), departs)


def plainly(name: str, *departs: str, **methods: Any) -> Mutant:
    """The plain example with a bug."""
    return Mutant(name, lambda: PlainWrong(**methods), departs)


MUTANTS = [
    wrong("hazard of a step taken for that of a millisecond", "rate", session=HazardPerMillisecond),
    wrong("learning ignores written weights", "held", session=LearningIgnoresWrites),
    plainly("rules see delayed spikes", "weights", "held", learn=learn_from_arrivals),
    wrong("a second projection replaces the first", "membrane", network=only_the_last),
    plainly("a second rule is ignored", "weights", "held", learn=learn_by_the_first_rule),
    plainly("run end applied again after the next run", "held", finish=finish_and_keep_the_pairs),
    wrong("LIF ignores its synapses", "membrane", network=lif_without_synapses),
    wrong("LIF resets to rest", "membrane", "trace", network=each_neuron(LIF, lambda n, dt: {"v_reset": lower(n)})),
    wrong("clamps inverted", "clamp", network=each_stimulus(Clamp, lambda s, dt: {"state": 1 - s.state})),
    wrong("currents ignored", "membrane", network=each_stimulus(Current, silenced)),
    wrong("values rounded by set", "membrane", "trace", session=RoundedWrites),
    wrong("currents end a step late", "membrane", network=each_stimulus(Current, stopping_late)),
    wrong("Poisson stimuli end a step late", "silent source", network=each_stimulus(Poisson, stopping_late)),
    wrong("Poisson stimuli never end", "silent source", network=each_stimulus(Poisson, lambda s, dt: {"stop": None})),
    wrong("rates change a point late", "rate", "silent source", session=LatePoints),
    wrong("only the first of all rates holds", "rate", "silent source", session=FirstPoints),
    plainly("rates begin anew with each run", "rate", "silent source", begin=begin_and_start_the_rates),
    wrong(
        "currents halved when a session opens", "held",
        network=each_stimulus(Current, lambda s, dt: {"amplitude": 0.5 * np.asarray(s.amplitude)}),
    ),
    wrong("currents change a point late", "membrane", "trace", session=LateCurrents),
    wrong("currents end with their last point", "membrane", network=each_stimulus(Current, ending_with_the_last_point)),
    wrong(
        "rates and currents of the first instance for all", "membrane", "rate", "silent source",
        session=OneStimulusForAllInstances,
    ),
    wrong("noise ignored", "membrane", network=each_stimulus(NoisyCurrent, silenced)),
    wrong("noise drawn at each step", "membrane", network=each_stimulus(NoisyCurrent, lambda s, dt: {"every": None})),
    wrong("noise begins a step late", "membrane", network=each_stimulus(NoisyCurrent, starting_late)),
    wrong("the first of overlapping clamps holds", "clamp", network=first_clamp_holds),
    wrong("teachers look at every step", "membrane", network=each_stimulus(Teacher, lambda s, dt: {"every": None})),
    wrong("one delay for all projections of a population", "membrane", network=one_delay_for_all),
    wrong("a delay of one step more where a projection learns", "membrane", network=each_projection(late_if_it_learns)),
    wrong("biases of the first instance for all", "membrane", "trace", session=OneValueForAllInstances),
    wrong("learning rates of the first instance for all", "weights", "held", session=OneRateForAllInstances),
    wrong("written weights and biases wait for the next write", "held", "membrane", "trace", session=LateWeights),
    plainly(
        "periods counted from the start of the run", "weights", "held",
        learn=learn_by_the_clock_of_the_run, begin=begin_and_start_the_clock,
    ),
    plainly("PSPs end with their run", "rate", "slope", begin=begin_without_the_past),
    plainly("spikes of different runs form no pairs", "weights", "held", begin=begin_without_pairs),
    plainly("written learning rates spare waiting pairs", "weights", "held", write=teach_at_once),
    plainly("forced spikes lost in refractory periods", "forced spike", spiking=forced_unless_refractory),
    wrong("listed synapses from the other end", "membrane", "rate", "slope", network=from_the_other_end),
    wrong("one threshold for all neurons", "membrane", "rate", network=each_neuron(LIF, the_first("v_thresh"))),
    wrong("one time constant for all neurons", "membrane", network=each_neuron(LIF, the_first("tau_m"))),
    wrong("one refractory period for all neurons", "occupancy", "rate", network=each_neuron(GLM, the_first("tau_ref"))),
    wrong("soft thresholds taken for sharp ones", "rate", network=each_neuron(LIF, lambda n, dt: {"delta_v": 0.0})),
    wrong("soft thresholds twice as wide", "rate", network=each_neuron(LIF, lambda n, dt: {"delta_v": 2 * n.delta_v})),
    wrong(
        "spikes leave thresholds as they are", "threshold", "rate", "variable",
        network=each_neuron(LIF, lambda n, dt: {"theta_plus": 0.0}),
    ),
    wrong(
        "thresholds come back 10 % too fast", "threshold", "rate", "variable",
        network=each_neuron(LIF, lambda n, dt: {"tau_theta": n.tau_theta / 1.1}),
    ),
    wrong("AdEx spikes leave w as it is", "membrane", network=each_neuron(AdEx, lambda n, dt: {"b": 0.0})),
    wrong("AdEx membranes leave w as it is", "membrane", network=each_neuron(AdEx, lambda n, dt: {"a": 0.0})),
    wrong("AdEx without an upstroke", "membrane", network=each_neuron(AdEx, lambda n, dt: {"slope_factor": 1e-3})),
    wrong("w fades 2 % too fast", "membrane", network=each_neuron(AdEx, lambda n, dt: {"tau_w": n.tau_w / 1.02})),
    wrong("one peak for all neurons", "membrane", "threshold", network=each_neuron(AdEx, the_first("v_peak"))),
    wrong("Izhikevich spikes leave u as it is", "membrane", network=each_neuron(Izhikevich, lambda n, dt: {"d": 0.0})),
    wrong("u follows the first b", "membrane", network=each_neuron(Izhikevich, the_first("b"))),
    wrong("conductances taken for currents", "membrane", network=all_currents),
    wrong("reversal potentials of the other sign", "membrane", network=each_projection(turned)),
    wrong("short-term plasticity ignored", "membrane", "rate", network=without_short_term),
    wrong(
        "synapses without facilitation", "membrane", "rate",
        network=each_projection(short_term(lambda s: s.replace(tau_facil=0.0))),
    ),
    wrong(
        "resources that recover twice as fast", "membrane", "rate",
        network=each_projection(short_term(lambda s: s.replace(tau_rec=0.5 * s.tau_rec))),
    ),
    wrong("rates of a run's first bin over a whole period", "counts", session=RatesOfWholePeriods),
    wrong("membranes of the first neurons", "membrane", network=first_neurons(Membrane)),
    wrong("written spike times do nothing", "forced spike", "silent source", session=WrittenTimesDoNothing),
    wrong(
        "written spike times of the first instance for all", "forced spike", "silent source",
        session=WrittenTimesOfTheFirst,
    ),
    wrong("variables of the first neurons", "variable", network=first_neurons(Variable)),
    wrong("variables of the step before", "variable", session=VariablesOfTheStepBefore),
    wrong("variables as a spike leaves them", "variable", session=VariablesAfterTheirSpikes),
    wrong("gains counted in named inputs", "variable", session=NamedInputsWithGains),
    wrong("variables rounded to single precision", "variable", session=VariablesInSinglePrecision),
    wrong("synapse variables of the first synapses", "synapse variable", network=first_synapses),
    wrong("synapse variables of the step before", "synapse variable", session=SynapseVariablesOfTheStepBefore),
    wrong("synapse variables as a spike leaves them", "synapse variable", session=SynapseVariablesAfterTheirSpikes),
    wrong("synapse variables hold between spikes", "synapse variable", session=SynapseVariablesHoldBetweenSpikes),
    wrong("synapse variables rounded", "synapse variable", session=SynapseVariablesInSinglePrecision),
    wrong(
        "single spikes at the wrong ends", "weights", "held",
        network=each_rule_of(PerSpike, lambda rule: {"pre": rule.post, "post": rule.pre}),
    ),
    wrong("no postsynaptic spikes", "weights", "held", network=each_rule_of(PerSpike, lambda rule: {"post": 0.0})),
    wrong(
        "modulators without their baseline", "weights", "held",
        network=each_rule_of(ModulatedSTDP, lambda rule: {"baseline": 0.0}),
    ),
    wrong(
        "own spikes of triplets at the wrong ends", "weights", "held",
        network=each_rule_of(TripletSTDP, lambda rule: {"tau_pre": rule.tau_post, "tau_post": rule.tau_pre}),
    ),
    wrong(
        "triplets of all spikes taken for those of nearest ones", "weights", "held",
        network=each_rule_of(TripletSTDP, lambda rule: {"pairing": "nearest_symmetric"}),
    ),
    wrong("modulators all the first trace", "weights", "held", network=modulated_by_the_first_trace),
    plainly("only the first rule clips", "weights", "held", update=clip_the_first_rule),
]  # fmt: skip
"""Every one must be caught within the networks of a quick profile."""
