"""What follows a spike"""

from __future__ import annotations

from salhw.conformance.checks.replay import needs
from salhw.conformance.circuits import glm
from salhw.conformance.lab import Lab, Undeclared
from salhw.conformance.model import Evidence, check
from salhw.conformance.replay import Part, Schedule
from salhw.conformance.replay.chance import LEVEL, alarms
from salhw.conformance.replay.surveying import approximated, held_to_oracle
from salhw.conformance.verdict import by_count
from salhw.description.connectivity import AllToAll
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.parts import Population, Projection
from salhw.description.probes import Spikes

SIZE, BIAS, TAU_REF, WEIGHT, TAU_SYN = 6, -1.0, 10, 0.3, 3  # times in steps: a spike at every seventh step or so
INSTANCES, LENGTHS = 32, (70, 400)


@check("spikes-after-spikes", group="dynamics")
def spikes_after_spikes(lab: Lab) -> Evidence:
    """Six GLM neurons that excite each other a little spike as often after a step with a spike as their recomputed
    probabilities say. Simulators that wait for the next spike begin to wait anew there; at other rates than these,
    where one step in seven has a spike, it hardly shows if they begin wrongly.

    The tests of likelihoods of ``replay-spikes``, and its false alarms: all together less than 1e-3 (Markov's
    inequality, Holm 1979).
    """
    needs(lab, "Spikes", "rate", "psp_shape")
    kernel = Rectangular(tau_syn=TAU_SYN * lab.dt)
    net = Network(
        name="after_spikes",
        dt=lab.dt,
        populations=[Population(name="n", size=SIZE, neuron=glm(lab, BIAS, TAU_REF))],
        projections=[Projection(name="q", pre="n", post="n", weights=AllToAll(weight=WEIGHT), kernel=kernel)],
        probes=[Spikes("n")],
    )
    executable = lab.compile(net)
    if findings := approximated(executable):
        raise Undeclared(findings)
    schedule = Schedule(tuple(Part((), steps) for steps in LENGTHS), tuple(range(INSTANCES * lab.scale)), lab.seed)
    _, departed, tested = held_to_oracle(executable, schedule, on_chips=False)
    improbable = sorted(alarms(tested), key=lambda alarm: -alarm[0].evidence)
    wrong = [*departed, *(departure for _, departure in improbable)]
    hint = f"{wrong[0]}; what waits for the next spike does not begin anew after one" if wrong else ""
    what = f"tests at level {LEVEL:g} of spikes after spikes"
    return by_count(len(wrong), len(tested), what, hint, unit="tests")
