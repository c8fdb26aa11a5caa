"""Random networks with dendrites, in chunks: through the host of a target without any of it as on the reference."""

from __future__ import annotations

import numpy as np
from fault_targets import form
from loop_examples import looped_reference
from random_dendrites import with_dendrites
from random_networks import random_network
from test_what_check_passes_opens import exercise

import salhw
from salhw import Network, PredictiveRule, Teacher
from salhw.description.plasticity import PlasticityRule


def in_chunks(net: Network) -> Network:
    """What acts at every step acts every few."""

    def chunked(rule: PlasticityRule) -> PlasticityRule:
        if not isinstance(rule, PredictiveRule):
            return rule
        return rule.replace(
            execution="host", update=f"every {4 * net.dt!r} ms" if rule.update == "spike" else rule.update
        )

    projections = [p.replace(plasticity=list(map(chunked, p.plasticity))) for p in net.projections]
    stimuli = [s.replace(every=3 * net.dt) if isinstance(s, Teacher) else s for s in net.stimuli]
    return net.replace(projections=projections, stimuli=stimuli)


def test_a_host_does_what_the_reference_does() -> None:
    """Spikes, traces and weights of runs cut anywhere; where the target learns, too, traces see its weights now and
    then (SAL328), and all that is asked for is that everything works."""
    native, loop, seen = form("reference").with_options(algorithm="time-driven"), looped_reference(), 0
    for seed in range(24):
        rng = np.random.default_rng([8, seed])
        net = in_chunks(with_dendrites(random_network(native, rng), rng))
        if salhw.problems(net, loop) or salhw.problems(net, native):
            continue
        seen += 1
        exercise(salhw.compile(net, loop))
        if any(not isinstance(rule, PredictiveRule) for p in net.projections for rule in p.plasticity):
            continue
        with (
            salhw.compile(net, native).open(instances=[3, 0], seed=5) as one,
            salhw.compile(net, loop).open(instances=[3, 0], seed=5) as two,
        ):
            for steps in (13, 1, 26):
                a, b = one.run(steps * net.dt), two.run(steps * net.dt)
                for p in net.populations:
                    np.testing.assert_array_equal(a.counts[p.name], b.counts[p.name], err_msg=f"seed {seed}")
                for name, trace in a.samples.items():
                    np.testing.assert_allclose(trace.values, b.samples[name].values, rtol=1e-8, atol=1e-8)
                for path in (f"projections.{p.name}.weights" for p in net.projections):
                    np.testing.assert_allclose(one.get(path), two.get(path), rtol=1e-8, atol=1e-8)
    assert seen > 7
