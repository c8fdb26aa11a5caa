"""What the vectorised algorithm holds beside the arrays of the others: see vectorised.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw_reference.arrays import Indices, NetworkArrays, Records, aligned, record, records
from salhw_reference.common import repeats
from salhw_reference.jit import inlined
from salhw_reference.kinds import ALPHA, BY_TRACE, TRIPLETS
from salhw_reference.program import BLOCK, LEAST, ON_SPIKE
from salhw_reference.rng import streams
from salhw_reference.team import LINE, first_of_share, team

MEMORY = 16  # steps whose mean tells whether volleys are worth it
SPARED = 2.0, 0.5  # neurons of a vector that take as long as a synapse of a row, and of a dense one
CLOSED = -1e9  # added to the input of who cannot spike

ROW = record(projection=np.int64, neuron=np.int64, first=np.int64, end=np.int64, at=np.int64)
"""A thread's part of a row: in which projection, of which neuron; the first of its synapses, and one past the last; and
where in ``input`` the neurons begin that a spike's row is added to."""

PROGRESS = record(going=np.int64, changes=np.int64, spikes=np.int64)
"""Whether there is a next step now; how many presynaptic states change at its beginning; how many spikes the present
one has."""

RATE = record(first=np.int64, each=np.int64, joined=np.int64, causal=np.float64, anticausal=np.float64)
"""Of a rule: where its learning rates begin; 1 if each synapse has its own, 0 if all have one. Where pair sums are
formed along rows: 1 if one sum holds both branches, times these amplitudes; else the rates contain them."""

KEPT = record(first=np.int64, neurons=np.int64, begin=np.int64)
"""Of a branch whose pair sums are formed in blocks: the first of the neurons whose traces are kept, how many these are
(0: no blocks), and where their traces begin in ``past_trace``."""

SO_FAR = record(steps=np.int64, spikes=np.int64)
"""How many steps and spikes a block has so far."""

RING = record(arriving=np.int64, earlier=np.int64)
"""Of a projection with a delay per synapse: where its rings begin in ``arriving`` and in ``earlier``, (step, neuron)
and (step, neuron, y or y and x) each."""

VOLLEY = record(lasts=np.int64, fewest=np.int64, first=np.int64, width=np.int64, flag=np.int64, mask=np.int64)
"""Of a projection: the steps from the beginning of PSPs to their end (0: it has no volleys, see volleys.py); from which
``recent`` on it has some; where in ``input`` a vector would begin that has neuron 0 in front, and how far
that of the next step is from it; and where its flags begin in ``whole``, and which bits of a step tell the flag."""

LINK = record(step=np.int64, next=np.int64)
"""Of a spike of a block: its step in it, and the entry of its neuron's next spike (-1: none)."""


class Vectors(NamedTuple):
    """Of a batch, each array with the instance in front; of one instance, without. What all instances have in common
    has a single row, and what ``common`` names has none. L: N, filled up to whole cache lines of any type."""

    random: npt.NDArray[np.uint32]  # (4, L) xoshiro128++ of each neuron
    input: FloatArray  # (L,), and behind it what the volleys of the last steps gave, see volleys.py
    base: FloatArray  # (L,) bias and stimuli, less the logarithm of the refractory period in steps
    gate: npt.NDArray[np.float32]  # (L,) 0, or CLOSED while refractory
    drawn: npt.NDArray[np.uint32]  # (L,) this step's draw
    hit: npt.NDArray[np.uint8]  # (L,) 1: the draw is below an upper bound of the spike probability
    hits: npt.NDArray[np.uint64]  # (L / 8,) the same as words
    word: IntArray  # (L + L / 64 + 1,) which of these are not 0, a list for each share
    candidate: IntArray  # the same of the neurons with ``hit`` 1
    trace: FloatArray  # (R, 2, N) exponential traces, as of the latest whole multiple of their epoch
    past_trace: FloatArray  # of the branches in blocks, as they were before each step of the block, (step, neuron) each
    chain: Records  # LINK, of each spike of a block
    first_spike: IntArray  # (N,) its entry in ``chain`` (-1: none); empty without blocks
    last_spike: IntArray  # (N,)
    block: Records  # (1,) SO_FAR
    arriving: FloatArray  # what arrives at this step and the next ones, with weight and height: see arrivals.py
    earlier: FloatArray  # PSPs as they were at this step and the last ones, before they decayed
    whole: IntArray  # 1: what arrives at a step is a volley, (step,) of each projection
    recent: IntArray  # (P,) MEMORY times the spikes that arrive at a step, in the mean of the last ones
    rise: FloatArray  # (R, 2) exp(t / tau) of this step, from the beginning of the epoch or the stretch that it is in
    risen: FloatArray  # (R, stretches, N) causal traces at the end of each stretch but the last, see row_sums.py
    fallen: FloatArray  # (R, stretches, N) sums of exp(-t / tau) over a neuron's spikes in each stretch
    worth: FloatArray  # (L,) what a presynaptic spike adds to the pair sum of a synapse onto each neuron
    varied: IntArray  # (1,) 0: all gains are 1
    dy: FloatArray  # by how much presynaptic states change at the beginning of the next step, and of alpha PSPs x
    dx: FloatArray
    listed: IntArray  # (P, N) where in these a state's latest change is, plus its step times their number
    progress: Records  # (1,) PROGRESS
    found: IntArray  # (shares, 8) spikes of each share, in a cache line of its own
    looked: IntArray  # (shares, H in whole cache lines) the past spike that each head comes to next
    rows: Records  # (shares, .) ROW, of each state that ``dy`` is of, as each thread lists them all for itself
    partners: IntArray  # (shares, .) synapses of one spike that learn, with room for all that any neuron has
    team: IntArray  # what the threads meet by
    rate: FloatArray  # (2, rates) learning rate times amplitude; causal in columns, anticausal in rows
    rated: Records  # (R,) RATE
    kept: Records  # (R, 2) KEPT
    ring: Records  # (P,) RING
    volley: Records  # (P,) VOLLEY
    dense: IntArray  # (P,) 1: rows have no gaps, but where a neuron leaves itself out
    cut: Indices  # (P, N, shares + 1) where the part of a row that goes to each share of the neurons begins

    @property
    def common(self) -> frozenset[str]:
        """What has no instance in front."""
        return frozenset({"rated", "kept", "ring", "volley", "dense", "cut"})


@inlined
def overlap(low, high, first, end):
    """Which of the neurons low..high-1 are among first..end-1."""
    return max(low, first), min(high, end)


@inlined
def part_of_row(vectors, p, n, rank):
    """The first synapse from neuron n to a thread's share, and one past the last."""
    return np.int64(vectors.cut[p, n, rank]), np.int64(vectors.cut[p, n, rank + 1])


def vectors_at_rest(net: NetworkArrays, seed: int, ids: Sequence[int], *, varied: bool) -> Vectors:
    """The vectors of a batch of networks at rest, each moved by one thread; ``varied``: the chips' synapses differ."""
    n, batch = len(net.kind), len(ids)
    long = -(-n // LINE) * LINE
    listed = long + long // LINE + 1
    random, hit = aligned((batch, 4, long), dtype=np.uint32), aligned((batch, long), dtype=np.uint8)
    random[:, :, :n] = _random(streams(seed, ids), n)
    dense = np.array([_is_dense(net.out[p], net.post) for p in range(len(net.psp))], np.int64)
    kept, traces = _kept(net, dense)
    ring, arriving, earlier = _rings(net)
    volley, used, flags = _volleys(net, dense)
    blocks = n if traces else 0
    rules, stretches = len(net.rule), int(np.max(net.rule["stretches"], initial=0))
    spikes = blocks + int(np.sum(np.ceil(BLOCK / net.refractory))) if blocks else 0
    return Vectors(
        random=random,
        input=aligned((batch, used)),
        base=aligned((batch, long)),
        gate=aligned((batch, long), dtype=np.float32),
        drawn=aligned((batch, long), dtype=np.uint32),
        hit=hit,
        hits=hit.view(np.uint64),
        word=np.zeros((batch, listed), np.int64),
        candidate=np.zeros((batch, listed), np.int64),
        trace=np.zeros((batch, rules, 2, n)),
        past_trace=np.zeros((batch, traces)),
        chain=records(np.zeros((batch, spikes), LINK), LINK, (batch, spikes)),
        first_spike=np.full((batch, blocks), -1),
        last_spike=np.full((batch, blocks), -1),
        block=records([(0, 0)] * batch, SO_FAR, (batch, 1)),
        arriving=np.zeros((batch, arriving)),
        earlier=np.zeros((batch, earlier)),
        whole=np.zeros((batch, flags), np.int64),
        recent=np.zeros((batch, len(net.psp)), np.int64),
        rise=np.ones((batch, rules, 2)),
        risen=np.zeros((batch, rules, stretches, n)),
        fallen=np.zeros((batch, rules, stretches, n)),
        worth=aligned((batch, long if stretches else 0)),
        varied=np.full((batch, 1), varied, np.int64),
        dy=aligned((batch, most_changes(net))),
        dx=aligned((batch, most_changes(net))),
        listed=np.full((batch, len(net.psp), n), -1),
        progress=records([(0, 0, 0)] * batch, PROGRESS, (batch, 1)),
        rate=np.zeros((1, 2, 0)),
        rated=records([(0, 0, 0, 0.0, 0.0)] * rules, RATE),
        kept=kept,
        ring=ring,
        volley=volley,
        dense=dense,
        **of_team(net, batch, 1),
    )


class Taught(NamedTuple):
    """The learning rates of a rule times its amplitudes, (instance, synapse), where what all have in common is a single
    number: causal in columns, or in rows where pair sums are formed along them, and anticausal in rows. Where one sum
    holds both branches, ``amplitudes`` are in the sums, and the second rates alone count."""

    causal: FloatArray
    anticausal: FloatArray
    amplitudes: tuple[float, float] | None = None


def with_rates(vectors: Vectors, taught: Sequence[Taught]) -> Vectors:
    """The same, with the learning rates of each rule."""
    sides = [each[:2] for each in taught]
    instances = max((len(side) for rule in sides for side in rule), default=1)
    widths = [max(side.shape[1] for side in rule) for rule in sides]
    firsts = [0, *accumulate(widths)]
    rate = np.empty((instances, 2, firsts[-1]))
    for rule, first, end in zip(sides, firsts[:-1], firsts[1:], strict=True):
        for side in (0, 1):
            rate[:, side, first:end] = rule[side]
    rated = [
        (first, width > 1, each.amplitudes is not None, *(each.amplitudes or (0.0, 0.0)))
        for first, width, each in zip(firsts, widths, taught, strict=False)
    ]
    return vectors._replace(rate=rate, rated=records(rated, RATE))


def of_team(net: NetworkArrays, instances: int, size: int) -> dict[str, npt.NDArray[Any]]:
    """The fields that depend on the size of the team that moves each network."""
    most = most_changes(net)
    longest = max(int(np.max(np.diff(ends), initial=0)) for ends in (net.out, net.into))
    lines = partial(aligned, dtype=np.int64)
    return {
        "found": lines((instances, size, 8)),
        "looked": lines((instances, size, -(-len(net.head) // 8) * 8)),
        "rows": records(np.zeros((instances, size, most), ROW), ROW, (instances, size, most)),
        "partners": lines((instances, size, -(-longest // 8) * 8)),
        "team": np.array([team(size)] * instances),
        "cut": row_cuts(net, size),
    }


def most_changes(net: NetworkArrays) -> int:
    """How many presynaptic states change at a step at most."""
    return int(np.sum(net.head["end"] - net.head["first"]))


def pass_on(was: Vectors, to: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write how far heads have looked, and the rows of what changes at the next step, to the fields of another team."""
    to["looked"][:] = was.looked[:, :1]
    for b, (progress,) in enumerate(was.progress):
        listed = was.rows[b, 0, : progress["changes"]]
        cut = to["cut"][listed["projection"], listed["neuron"]]
        for rank, rows in enumerate(to["rows"][b, :, : len(listed)]):
            rows[:] = listed
            rows["first"], rows["end"] = cut[:, rank], cut[:, rank + 1]


def row_cuts(net: NetworkArrays, shares: int) -> Indices:
    """Where the part of each row that goes to each share of the neurons begins, and where the last one ends, (P, N,
    shares + 1)."""
    first, end = net.out[:, :-1], net.out[:, 1:]
    cuts = [first]
    for share in range(1, shares):
        edge = first_of_share(len(net.kind), share, shares)
        below = np.concatenate([np.zeros(1, np.int64), np.cumsum(net.post < edge)])
        cuts.append(first + below[end] - below[first])
    return np.stack([*cuts, end], axis=-1).astype(np.uint32)


def _kept(net: NetworkArrays, dense: IntArray) -> tuple[Records, int]:
    """Which branches form their pair sums in blocks, and the traces that these keep: those of large projections without
    gaps, at least half as many synapses as there could be, whose rules add up all pairs and nothing else, and do not
    change weights on the spike."""
    kept, used = np.zeros((len(net.rule), 2), KEPT), 0
    for r, rule in enumerate(net.rule):
        p = rule["projection"]
        count = net.into[p, -1] - net.into[p, 0]
        gapless = dense[p] and _is_dense(net.into[p], net.pre)
        plain = rule["form"] != TRIPLETS and rule["update"] != ON_SPIKE
        if count < LEAST or not gapless or not plain or np.any(net.window[r]["mode"] != BY_TRACE):
            continue
        ends = [np.flatnonzero(np.diff(rows)) for rows in (net.out[p], net.into[p])]  # of the synapses, pre and post
        sizes = [int(neurons[-1] - neurons[0]) + 1 for neurons in ends]
        if 2 * count >= sizes[0] * sizes[1]:
            for side in (0, 1):
                kept[r, side] = ends[side][0], sizes[side], used
                used += BLOCK * sizes[side]
    return records(kept, KEPT, kept.shape), used


def _rings(net: NetworkArrays) -> tuple[Records, int, int]:
    """Where the rings of each projection with a delay per synapse begin, and the sizes of ``arriving`` and
    ``earlier``."""
    psp = net.psp
    steps = np.where(psp["spread"] > 0, psp["spread"] + 1, 0)
    arriving = np.cumsum(steps * (psp["post_end"] - psp["post_first"]))
    earlier = np.cumsum(steps * (psp["pre_end"] - psp["pre_first"]) * np.where(psp["kernel"] == ALPHA, 2, 1))
    begins = [np.concatenate([np.zeros(1, np.int64), ends]) for ends in (arriving, earlier)]
    rows = list(zip(*(begin[:-1].tolist() for begin in begins), strict=True))
    return records(rows, RING), int(begins[0][-1]), int(begins[1][-1])


def _volleys(net: NetworkArrays, dense: IntArray) -> tuple[Records, int, int]:
    """Each projection's volleys, and the sizes of ``input`` and ``whole`` with them. Cache lines of vectors are those
    of the neurons, so that no two threads write to one."""
    rows, used, flags = [], -(-len(net.kind) // LINE) * LINE, 0
    for psp, out, gapless in zip(net.psp, net.out, dense, strict=True):
        lasts, synapses = int(psp["lasts"]), int(out[-1] - out[0])
        first, end = psp["post_first"] // 8 * 8, -(-psp["post_end"] // 8) * 8
        if net.fading[0] or psp["spread"] > 0 or synapses < (lasts + 1) * (end - first):
            lasts = 0
        reach = SPARED[gapless] * synapses  # of all presynaptic neurons, in neurons of a vector
        fewest = int(MEMORY * (end - first) * (psp["pre_end"] - psp["pre_first"]) / reach) if lasts else 0
        mask = (1 << (lasts + 1).bit_length()) - 1  # from when PSPs end to the next step there are two steps more
        rows.append((lasts, fewest, used - first, end - first, flags, mask))
        if lasts:
            used, flags = used + (lasts + 1) * (end - first), flags + mask + 1
    return records(rows, VOLLEY), int(used), flags


def _is_dense(ends: IntArray, partners: npt.NDArray[np.uint32]) -> bool:
    """Whether each row (or column) of a projection joins its neuron with neighbours of each other, once each; its only
    gap may be that neuron itself."""
    rows = np.flatnonzero(ends[1:] > ends[:-1])
    if len(rows) == 0:
        return True
    first, last, mine = ends[rows], ends[rows + 1] - 1, partners[ends[0] : ends[-1]]
    low, high = partners[first].astype(np.int64), partners[last].astype(np.int64)
    itself = np.add.reduceat(mine == np.repeat(rows.astype(mine.dtype), last + 1 - first), first - ends[0])
    missing, leaves_out = high - low - (last - first), (low < rows) & (rows < high) & ~itself.astype(bool)
    return not repeats(ends, partners) and bool(np.all((missing == 0) | ((missing == 1) & leaves_out)))


def _random(keys: npt.NDArray[np.uint64], neurons: int) -> npt.NDArray[Any]:
    """A generator state for each instance and neuron, (instance, 4, neuron): SplitMix64 (Steele, Lea & Flood 2014) of
    the instance's key and the neuron's number."""
    index = np.arange(neurons, dtype=np.uint64)
    halves = [_split_mix(keys[:, k, None] + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)) for k in (0, 1)]
    words = np.stack(halves, axis=1)
    return np.ascontiguousarray(
        np.concatenate([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=1).astype(np.uint32)
    )


def _split_mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
