"""Every fix, when followed, is accepted: networks that targets refuse become networks that they take.

Random networks, a part of which lies beyond what the target declares. The first alternative of each fix is followed; a
fix that cannot be followed, leads to an invalid description, or has to be followed for ever, is wrong. Run by hand with
more networks: ``python tests/faults/test_fixes.py TARGET COUNT [FIRST_SEED]``.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fault_targets import form
from fixes import NotFollowed, follow
from random_networks import random_network
from shaken_networks import shaken_network
from test_what_check_passes_opens import exercise

import salhw
from salhw import (
    GLM,
    DescriptionError,
    FixedIndegree,
    FixedOutdegree,
    FixedTotalNumber,
    Network,
    Population,
    Projection,
    Rectangular,
    Target,
)
from salhw.description.drawn import RandomConnector

COUNTS = {"reference": 60, "nest": 60, "brainscales2": 60, "loihi2": 60, "loihi2 ideal": 30}
EVERY_KIND = range(2)
ROUNDS = 200


def mended(net: Network, target: Target) -> tuple[Network, int]:
    """The network after all fixes, and how many were followed."""
    for count in range(ROUNDS):
        findings = salhw.problems(net, target)
        if not findings:
            return net, count
        finding = findings[0]
        if finding.fix.startswith("another dt") or finding.fix.endswith("and times that it divides"):
            return net, count  # which all times of the network have to follow
        try:
            net = follow(net, finding)
        except DescriptionError as error:
            raise AssertionError(f"{finding}\n  leads to {error}") from error
        except NotFollowed as error:
            raise AssertionError(f"cannot be followed: {finding}") from error
    raise AssertionError(f"still refused after {ROUNDS} fixes: {finding}")


@pytest.mark.parametrize("name", ["nest", "brainscales2", "loihi2"])
def test_fixes_of_networks_of_every_kind_are_accepted_and_then_they_open(name: str) -> None:
    target, followed, opened = form(name), 0, 0
    for seed in EVERY_KIND:
        net, count = mended(shaken_network(target, seed, share=0.05, beyond=True), target)
        followed += count
        if not salhw.problems(net, target):
            exercise(salhw.compile(net, target))
            opened += 1
    assert (followed > 10 * len(EVERY_KIND), opened > 0) == (True, True)


@pytest.mark.parametrize("name", COUNTS)
def test_every_fix_is_accepted(name: str) -> None:
    target, followed = form(name), 0
    for seed in range(COUNTS[name]):
        net = random_network(target, np.random.default_rng(seed), beyond=0.1)
        followed += mended(net, target)[1]
    assert followed > COUNTS[name] // 4  # or the test shows little


@pytest.mark.parametrize("kind", [FixedIndegree, FixedOutdegree, FixedTotalNumber])
def test_more_synapses_than_pairs_are_not_told_to_be_one_of_each(kind: type[RandomConnector]) -> None:
    neurons = [Population(name, 3, GLM(bias=-1.0)) for name in ("a", "b")]
    many = Projection("p", "a", "b", kind(n=10, weight=0.1, multapses=True), kernel=Rectangular(tau_syn=20.0))
    net = Network(name="many", dt=1.0, populations=neurons, projections=[many])
    (finding,) = salhw.problems(net, "loihi2")
    assert finding.fix == "list them (net.explicit), and add their weights up"
    assert not salhw.problems(follow(net, finding), "loihi2")


if __name__ == "__main__":
    chosen, count = form(sys.argv[1]), int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    wrong = followed = 0
    for seed in range(first, first + count):
        for net in (
            random_network(chosen, np.random.default_rng(seed), beyond=0.1),
            shaken_network(chosen, seed, share=0.05, beyond=True),
        ):
            try:
                followed += mended(net, chosen)[1]
            except Exception as error:
                wrong += 1
                print(f"seed {seed}: {type(error).__name__} {str(error)[:400]}", flush=True)
    print(f"{sys.argv[1]}: 2 x {count} networks, {followed} fixes followed, {wrong} networks not mended")
