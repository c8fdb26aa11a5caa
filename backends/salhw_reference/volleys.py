"""Rectangular PSPs that begin together end together: what they add to the inputs is kept, and taken back as a vector.

A *volley* is what arrives at one step through one projection. The rows of its spikes are added up in a vector, which is
added to the inputs and taken off when the PSPs end; without it, rows would be walked along once more. A vector costs as
much for one spike as for a hundred; so where few arrive, each PSP begins and ends by itself. If weights are written
while PSPs are under way, inputs are made anew (rows.py), and these PSPs end by themselves, too.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.jit import inlined
from salhw_reference.vectors import MEMORY, overlap


@inlined
def is_whole(vectors, p, t):
    """Whether what arrives at step t through projection p is a volley, and will end as one."""
    volley = vectors.volley[p]
    return volley.lasts > 0 and vectors.whole[volley.flag + (t & volley.mask)] == 1


@inlined
def ends_whole(vectors, p, t):
    """Whether the PSPs that end at step t began as a volley."""
    return is_whole(vectors, p, t - vectors.volley[p].lasts)


@inlined
def expect(vectors, p, t, spikes):
    """Decide whether a volley will arrive at step t, as many ``spikes`` having arrived at the step before."""
    volley = vectors.volley[p]
    if volley.lasts > 0:
        vectors.recent[p] += spikes - vectors.recent[p] // MEMORY
        vectors.whole[volley.flag + (t & volley.mask)] = np.int64(vectors.recent[p] >= volley.fewest)


@inlined
def place_of(vectors, p, t):
    """Where in ``input`` the vector of a volley of step t would begin that has neuron 0 in front."""
    volley = vectors.volley[p]
    return volley.first + t % (volley.lasts + 1) * volley.width


@inlined
def take_volleys(net, vectors, t, low, high):
    """Add the volleys of step t to the inputs of the neurons low..high-1, and take those back whose PSPs end."""
    for p in range(len(net.psp)):
        if is_whole(vectors, p, t) or ends_whole(vectors, p, t):
            first, last = overlap(low, high, net.psp[p].post_first, net.psp[p].post_end)
            come, gone = place_of(vectors, p, t), place_of(vectors, p, t + 1)  # a ring of one step more than PSPs last
            inputs = vectors.input[first:last]
            given, taken = vectors.input[come + first : come + last], vectors.input[gone + first : gone + last]
            for n in range(np.uint64(len(inputs))):
                inputs[n] += given[n] - taken[n]
                taken[n] = 0.0


@inlined
def clear_volleys(net, vectors, low, high):
    """Forget what all volleys gave the neurons low..high-1."""
    for p in range(len(net.psp)):
        first, last = overlap(low, high, net.psp[p].post_first, net.psp[p].post_end)
        for age in range(vectors.volley[p].lasts + 1 if vectors.volley[p].lasts > 0 else 0):
            begin = place_of(vectors, p, age)
            vectors.input[begin + first : begin + last] = 0.0
