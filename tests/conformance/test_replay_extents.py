"""Random networks that are plain, and large: simulators have other algorithms for these, which the usual ones miss."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw.conformance import replay
from salhw.conformance.replay.extent import LARGE, PLAIN, drawable, extent
from salhw.conformance.replay.surveying import runnable
from salhw.conformance.runner import laboratory
from salhw.description.plasticity import PairSTDP
from salhw.substrate.support import on_chip
from salhw_reference import vectors
from salhw_reference.choice import choose_algorithm
from salhw_reference.delays import split
from salhw_reference.program import build, fits_table

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


def test_networks_of_which_all_is_approximated_are_not_run() -> None:
    with pytest.raises(salhw.UnsupportedNetworkError, match="approximates all of the random networks 900") as error:
        runnable(laboratory("loihi2"), PLAIN)
    assert {finding.severity for finding in error.value.diagnostics} == {"approximation"}
