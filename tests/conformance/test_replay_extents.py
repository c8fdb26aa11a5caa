"""Random networks that are plain, and large: simulators have other algorithms for these, which the usual ones miss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import salhw
from salhw.conformance import replay
from salhw.conformance.replay.extent import LARGE, PLAIN, drawable, extent
from salhw.conformance.replay.removal import without
from salhw.conformance.replay.surveying import runnable
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.runner import laboratory
from salhw.description.plasticity import PairSTDP
from salhw.substrate.support import on_chip
from salhw_reference import vectors
from salhw_reference.choice import choose_algorithm
from salhw_reference.delays import split
from salhw_reference.program import build
from salhw_reference.tabulated import fits_table

REFERENCE = salhw.target("reference")


def test_plain_networks_reach_the_algorithm_of_few_neurons() -> None:
    """Of the reference: hazards are tabulated, in networks that learn on the spike, later, and not at all."""
    drawn = [replay.random_network(REFERENCE, PLAIN + k).explicit for k in range(drawable(REFERENCE)[PLAIN])]
    assert all(choose_algorithm(net, REFERENCE)[0] == "event-driven" for net in drawn)
    assert all(fits_table(net, build(split(net))) for net in drawn)
    updates = [{rule.update for p in net.projections for rule in p.plasticity} for net in drawn]
    assert set() in updates
    assert {"spike", "run end"} <= set().union(*updates)


def test_large_networks_have_as_many_synapses_as_blocks_of_pairs_take() -> None:
    net = replay.random_network(REFERENCE, LARGE).explicit
    assert choose_algorithm(net, REFERENCE)[0] == "vectorised"
    made = vectors.vectors_at_rest(build(split(net, vectorised=True)), 1, np.array([0]), varied=False)
    assert (made.kept["neurons"] > 0).all()
    schedule = replay.random_schedule(net, REFERENCE, LARGE, extent(LARGE).instances)
    assert sum(synapses.size for part in schedule.parts for synapses in (w.value for w in part.writes)) > 2**14


def test_they_are_drawn_where_a_target_has_room_and_neurons_for_them() -> None:
    assert drawable(salhw.target("nest")) == {PLAIN: 3, LARGE: 1}
    assert drawable(salhw.target("brainscales2")) == {PLAIN: 3, LARGE: 0}
    sources = REFERENCE.replace(neurons={"Source": REFERENCE.neurons["Source"]})
    assert drawable(sources) == {PLAIN: 0, LARGE: 0}


def test_rules_of_nest_itself_are_replayed() -> None:
    """Its PSPs under way keep their weight, which it declares with its size; nothing else of such a rule differs."""
    lab = laboratory("nest")
    net = runnable(lab, PLAIN + 1).source
    rules = [rule for p in net.projections for rule in p.plasticity]
    assert rules
    assert all(isinstance(rule, PairSTDP) and on_chip(rule, lab.target) for rule in rules)


def test_coincidences_count_where_they_were() -> None:
    """NEST declares .25 of a pair for them; all other changes of its rules are exact, in samples as in what is read."""
    lab = laboratory("nest")
    net, coincided = runnable(lab, PLAIN + 1).source, np.array([[True, False, False], [False, False, False]])
    name = net.projections[0].name
    for shape in ((2, 3), (2, 4, 3)):
        still = np.zeros(shape)
        within = Tolerance.of(lab.target).weights(net, name, still, still + 1.0, np.zeros((2, 1)), coincided)
        large = np.broadcast_to(coincided.reshape(2, *(1,) * (len(shape) - 2), 3), shape)
        assert (np.asarray(within)[large] > 0.2).all()
        assert (np.asarray(within)[~large] < 1e-5).all()


def test_a_rule_is_left_without_the_bounds_that_a_target_refuses() -> None:
    rule = salhw.SAL(0.1, bounds=(-1.0, 1.0))
    neurons, joined = salhw.Population("n", 2, salhw.GLM()), salhw.AllToAll(0.5)
    net = salhw.Network(
        name="bounded", dt=1.0, populations=[neurons],
        projections=[salhw.Projection("p", "n", "n", joined, salhw.Rectangular(10.0), plasticity=rule)],
    )  # fmt: skip
    unbounded = without(net, "projections.p.plasticity.bounds")
    assert unbounded is not None
    assert [each.bounds for each in unbounded.projections[0].plasticity] == [None]
    unlearned = without(unbounded, "projections.p.plasticity.bounds")
    assert unlearned is not None
    assert unlearned.projections[0].plasticity == ()


def test_a_rule_that_a_target_does_not_work_out_itself_is_left_to_its_host() -> None:
    neurons, joined = salhw.Population("n", 2, salhw.GLM()), salhw.AllToAll(0.5)
    net = salhw.Network(
        name="hosted", dt=1.0, populations=[neurons],
        projections=[salhw.Projection("p", "n", "n", joined, salhw.Rectangular(10.0), plasticity=salhw.SAL(0.1))],
    )  # fmt: skip
    hosted = without(net, "projections.p.plasticity.execution")
    assert hosted is not None
    assert [each.execution for each in hosted.projections[0].plasticity] == ["host"]
    unlearned = without(hosted, "projections.p.plasticity.execution")
    assert unlearned is not None
    assert unlearned.projections[0].plasticity == ()


def test_networks_of_which_all_is_approximated_are_not_run() -> None:
    lab = laboratory("loihi2")
    unsaid = {name: share for name, share in lab.target.accuracy.items() if name != "potential"}
    with pytest.raises(salhw.UnsupportedNetworkError, match="approximates all of the random networks 900") as error:
        runnable(replace(lab, target=lab.target.replace(accuracy=unsaid)), PLAIN)
    assert {finding.severity for finding in error.value.diagnostics} == {"approximation"}
