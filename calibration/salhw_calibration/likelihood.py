"""All synapses of a neuron and its bias from spikes alone, by maximum likelihood.

A GLM neuron that decides at step t spikes with a probability that depends on u = bias + sum_j W_j x_j(t) alone, where
x_j is the PSP trace that follows from the spikes of j (paper Eqs 1, 8). So the weights are the coefficients of a
binomial regression with one row per decision: link logit (``logistic``) or complementary log-log (``exact``), and
ln(dt / tau_ref) as known offset. Fisher scoring maximises the likelihood; it is concave, so the maximum is unique.

What makes it fast: all neurons share one design matrix, whose blocks are made on the fly from the spikes and are never
kept; the information matrix, which costs the most, is only renewed where it has to be; and
the first steps are made on the beginning of the recording.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.diagnostics.arguments import threads
from salhw_calibration.circuit import Mask, MeasuredCircuit, current, deciding
from salhw_calibration.measuring import Record
from salhw_calibration.results import Estimate

BLOCK = 4096  # steps: a block of 100 traces fits the cache
ROUNDS = 60  # of scoring at most; it takes five to ten
TOLERANCE = 1e-9  # of a step in any coefficient, at the end
SINGULAR = 1e-5  # smallest eigenvalue of an information matrix (as a correlation matrix) that still tells something
LEVELS = (1 / 16, 1 / 4)  # shares of the recording on which the fit begins
SPIKES = 10  # per coefficient, that a share of the recording has to hold


@dataclass(eq=False)
class Regression:
    """One instance's regressions: all neurons against all traces. Column ``K`` of the design is the constant 1.

    ``spikes`` and ``deciding`` are (post, step), ``exact`` and ``offset`` (post,); ``uses`` (post, K + 1) says which
    coefficients a neuron has; ``known`` are known inputs (post -> step).
    """

    circuit: MeasuredCircuit
    raster: Mask
    posts: IntArray
    spikes: Mask
    deciding: Mask
    uses: npt.NDArray[np.bool_]
    known: dict[int, FloatArray]

    @property
    def columns(self) -> int:
        """How many coefficients there are, the constant included."""
        return len(self.circuit.columns) + 1

    def blocks(self, steps: int) -> Iterator[tuple[slice, FloatArray]]:
        """The design (column, step) of the first ``steps`` steps, block by block; each block replaces the last."""
        from salhw_calibration.jit import traces

        carry, room = np.zeros((self.columns - 1, 2)), np.ones((self.columns, BLOCK))
        for begin in range(0, steps, BLOCK):
            size = min(BLOCK, steps - begin)
            block = room if size == BLOCK else np.ones((self.columns, size))
            traces(self.raster, self.circuit.columns, carry, begin, block[:-1])
            yield slice(begin, begin + size), block

    def eta(self, beta: FloatArray, of: IntArray, where: slice, block: FloatArray) -> FloatArray:
        """The linear predictor (post, step) of some of the neurons."""
        from salhw_calibration.jit import add_product

        eta = np.repeat(self.circuit.offset[self.posts[of], None], block.shape[1], axis=1)
        for row, post in enumerate(of):
            if post in self.known:
                eta[row] += self.known[int(post)][where]
        add_product(beta[of], block, eta)
        return eta

    def derivatives(
        self, beta: FloatArray, of: IntArray, steps: int, information: bool
    ) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        """Log likelihood (post,), its gradient (post, K + 1) and, if asked, for each neuron the Fisher information of
        the coefficients that it has, at the coefficients ``beta`` (all posts, K + 1) for the neurons ``of``."""
        workers = threads(len(os.sched_getaffinity(0)))  # never changes a result
        shares = [_Share(self, part, information) for part in np.array_split(of, min(workers, max(1, len(of))))]
        with ThreadPoolExecutor(workers) as pool:
            for where, block in self.blocks(steps):
                list(pool.map(lambda share: share.add(beta, where, block), shares))  # noqa: B023  # waits for all
        value, gradient = (np.concatenate([getattr(s, name) for s in shares]) for name in ("value", "gradient"))
        return value, gradient * self.uses[of], [gram.whole() for share in shares for gram in share.grams]


class _Share:
    """The neurons that one thread works on, and the sums over all blocks."""

    def __init__(self, r: Regression, of: IntArray, information: bool) -> None:
        self.regression, self.of = r, of
        self.exact = r.circuit.exact[r.posts[of]]
        self.value, self.gradient = np.zeros(len(of)), np.zeros((len(of), r.columns))
        self.grams = [Gram(np.flatnonzero(r.uses[post])) for post in of] if information else []
        # Single precision, twice as fast: the information sets the steps and the errors, never the estimates.
        self.room = np.zeros((r.columns + 3 if information else 0, BLOCK), dtype=np.float32)

    def add(self, beta: FloatArray, where: slice, block: FloatArray) -> None:
        """One more block."""
        from salhw_calibration.jit import add_gram, add_moments, score

        r, of = self.regression, self.of
        eta = r.eta(beta, of, where, block)
        residual, weight = np.empty_like(eta), np.empty_like(eta)
        score(eta, r.spikes[of, where], r.deciding[of, where], self.exact, residual, weight, self.value)
        add_moments(residual, block, self.gradient)
        for row, gram in enumerate(self.grams):
            add_gram(block, gram.rows, weight[row], self.room, gram.lower)


class Gram:
    """The sum that ``add_gram`` adds to, for some ``rows`` of the design."""

    def __init__(self, rows: IntArray) -> None:
        size = -(-len(rows) // 4) * 4
        self.rows, self.lower = rows, np.zeros((size, size))

    def whole(self) -> FloatArray:
        """The symmetric matrix of these rows."""
        low = np.tril(self.lower[: len(self.rows), : len(self.rows)])
        return np.asarray(low + np.tril(low, -1).T)


def regression(c: MeasuredCircuit, record: Record) -> Regression:
    """Set up the regressions of all GLM neurons that the circuit's synapses may drive."""
    posts = np.flatnonzero(c.glm)
    mask = (
        np.stack([deciding(c, record.raster, int(i), record.begin) for i in posts]) if len(posts) else record.raster[:0]
    )
    uses = np.zeros((c.size, len(c.columns) + 1), dtype=np.bool_)
    for echo in range(1 + c.echoes):
        uses[c.post, c.column + echo * c.distinct] = True
    uses[:, -1] = True
    inputs = {k: current(c, int(i), record.steps, record.begin) for k, i in enumerate(posts)}
    known = {k: given for k, given in inputs.items() if given is not None}
    return Regression(c, record.raster, posts, record.raster[posts] & mask, mask, uses[posts], known)


def likelihood(c: MeasuredCircuit, record: Record, *, seed: int = 0) -> Estimate:
    """Maximum-likelihood weights and biases of one instance; ``seed`` only breaks ties in the goodness of fit.

    A coefficient is NaN where the data do not determine it: a silent neuron; a PSP during which the neuron never
    decided to spike (the estimate is minus infinity); traces that cannot be told apart.
    """
    r = regression(c, record)
    usable = _drop_hopeless(r)
    beta, errors, _ = _maximise(r, usable)
    total = _summed(beta.T, c).T
    total[np.isnan(errors)] = np.nan
    estimate = Estimate.unknown(len(c.post), c.size)
    row = np.full(c.size, -1)
    row[r.posts] = np.arange(len(r.posts))
    trace = c.post * c.distinct + c.column
    # Of two synapses with one trace only the sum is determined.
    mine = np.flatnonzero((row[c.post] >= 0) & (np.bincount(trace, minlength=1)[trace] == 1))
    for into, values in ((estimate.weights, total), (estimate.errors, errors)):
        into[mine] = values[row[c.post[mine]], c.column[mine]]
    estimate.biases[r.posts], estimate.bias_errors[r.posts] = total[:, -1], errors[:, -1]
    estimate.fit[r.posts] = _goodness_of_fit(r, beta, usable, seed)
    return estimate


def maximum(c: MeasuredCircuit, record: Record) -> FloatArray:
    """The largest log likelihood of each neuron's spikes, (neuron,); NaN where there is none."""
    r = regression(c, record)
    largest = np.full(c.size, np.nan)
    largest[r.posts] = _maximise(r, _drop_hopeless(r))[2]
    return largest


def _drop_hopeless(r: Regression) -> IntArray:
    """Take out coefficients whose estimate would be minus infinity, together with the steps at which they act (the
    limit of the likelihood); and the neurons that never spike. Returns the neurons that are left."""
    from salhw_calibration.jit import add_moments

    active = np.zeros((len(r.posts), r.columns))
    for where, block in r.blocks(r.raster.shape[1]):
        add_moments(r.spikes[:, where].astype(np.float64), (block > 0.0).astype(np.float64), active)
    hopeless = r.uses & (active == 0.0)
    for where, block in r.blocks(r.raster.shape[1]) if hopeless[:, :-1].any() else ():
        r.deciding[:, where] &= (hopeless.astype(np.float64) @ block <= 0.0).astype(np.uint8)
    r.uses &= ~hopeless
    silent = r.deciding.sum(axis=1, dtype=np.int64) == r.spikes.sum(axis=1, dtype=np.int64)
    return np.flatnonzero(r.uses[:, -1] & ~silent)


def _maximise(r: Regression, usable: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coefficients (post, K + 1), the standard errors (post, distinct + 1) of the sums over their echoes, and the log
    likelihood (post,)."""
    value = np.full(len(r.posts), np.nan)
    beta, errors = np.zeros((len(r.posts), r.columns)), np.full((len(r.posts), r.circuit.distinct + 1), np.nan)
    spikes = r.spikes[usable].sum(axis=1, dtype=np.float64)
    decisions = r.deciding[usable].sum(axis=1, dtype=np.float64)
    share = spikes / decisions
    # The best constant input to begin with.
    start = np.where(r.circuit.exact[r.posts[usable]], np.log(-np.log1p(-share)), np.log(share / (1.0 - share)))
    beta[usable, -1] = start - r.circuit.offset[r.posts[usable]]
    enough = spikes / (SPIKES * r.uses[usable].sum(axis=1))
    whole = r.raster.shape[1]
    for level in LEVELS:
        if level * whole > 2 * BLOCK:
            _scoring(r, beta, usable[level * enough >= 1.0], round(level * whole), 1e-3)
    done = _scoring(r, beta, usable, whole, TOLERANCE)
    if len(done):
        value[done], _, information = r.derivatives(beta, done, whole, True)
        for row, post in enumerate(done):
            own = np.flatnonzero(r.uses[post])
            inverse, free = _inverse(information[row])
            undetermined = ~r.uses[post]
            undetermined[own] = free
            blind = _summed(undetermined.astype(np.float64), r.circuit) > 0.0
            errors[post] = np.where(blind, np.nan, np.sqrt(_variance(inverse, own, r.circuit)))
    return beta, errors, value


def _summed(values: FloatArray, c: MeasuredCircuit) -> FloatArray:
    """Sum the first axis, (K + 1), over the echoes of each trace: (distinct + 1)."""
    return np.concatenate([values[:-1].reshape(1 + c.echoes, c.distinct, *values.shape[1:]).sum(axis=0), values[-1:]])


def _variance(inverse: FloatArray, own: IntArray, c: MeasuredCircuit) -> FloatArray:
    """The variance of the sums over the echoes of each trace, (distinct + 1), from the covariance of the coefficients
    ``own``."""
    trace = np.where(own < len(c.columns), own % max(c.distinct, 1), c.distinct)
    within = np.sum(inverse * (trace[:, None] == trace), axis=1)
    return np.asarray(np.bincount(trace, within, c.distinct + 1), dtype=np.float64)


def _scoring(r: Regression, beta: FloatArray, posts: IntArray, steps: int, tolerance: float) -> IntArray:
    """Fisher scoring in place; returns the neurons that converged. The information is renewed where the last step was
    not much shorter than the one before, and a step that lowers the likelihood is halved."""
    going, inverse = posts.copy(), dict[int, FloatArray]()
    own = {int(post): np.flatnonzero(r.uses[post]) for post in posts}
    best, last = np.full(len(beta), -np.inf), np.full(len(beta), np.inf)
    step, kept = np.zeros_like(beta), beta.copy()
    stale = np.ones(len(beta), dtype=np.bool_)
    for _ in range(ROUNDS):
        if not len(going):
            break
        value, gradient, _ = r.derivatives(beta, going, steps, False)
        worse = value < best[going] - 1e-9 * np.abs(value)
        back = going[worse]
        step[back] *= 0.5
        stale[back] = True
        beta[back] = kept[back] + step[back]
        advancing, slope = going[~worse], gradient[~worse]
        best[advancing], kept[advancing] = value[~worse], beta[advancing]
        renew = advancing[stale[advancing]]
        if len(renew):
            for post, information in zip(renew.tolist(), r.derivatives(beta, renew, steps, True)[2], strict=True):
                inverse[post] = _inverse(information)[0]
        for post, uphill in zip(advancing.tolist(), slope, strict=True):
            step[post, own[post]] = inverse[post] @ uphill[own[post]]
        beta[advancing] += step[advancing]
        length = np.abs(step[advancing]).max(axis=1)
        stale[advancing] = length > 0.2 * last[advancing]
        last[advancing] = length
        going = np.sort(np.concatenate([back, advancing[length > tolerance]]))
    return np.setdiff1d(posts, going)


def _inverse(information: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The pseudo-inverse of an information matrix, and which coefficients take part in a combination about which the
    data say nothing."""
    scale = np.sqrt(np.diag(information))
    used = np.flatnonzero(scale > 0.0)
    inverse, free = np.zeros_like(information), scale <= 0.0
    s = np.outer(scale[used], scale[used])
    correlation = information[np.ix_(used, used)] / s
    try:
        part = np.linalg.inv(correlation)
        sound = np.diag(part).min(initial=1.0) > 0.0 and np.diag(part).max(initial=1.0) < 1.0 / SINGULAR
    except np.linalg.LinAlgError:
        sound = False
    if not sound:
        values, vectors = np.linalg.eigh(correlation)
        good = values > SINGULAR
        part = (vectors[:, good] / values[good]) @ vectors[:, good].T
        free[used] = np.abs(vectors[:, ~good]).max(axis=1, initial=0.0) > 1e-3
    inverse[np.ix_(used, used)] = part / s
    return inverse, free


def _goodness_of_fit(r: Regression, beta: FloatArray, usable: IntArray, seed: int) -> FloatArray:
    """p-values (post,) of the Kolmogorov-Smirnov test of the time-rescaled intervals (Brown et al. 2002)."""
    from scipy.stats import kstest

    from salhw_calibration.jit import rescaled

    random = np.random.default_rng(seed)
    counts = r.spikes.sum(axis=1, dtype=np.int64)
    uniform, intervals = [random.random(n) for n in counts], [np.empty(n) for n in counts]
    filled, carry = np.zeros(len(counts), dtype=np.int64), np.full((len(counts), 1), -1.0)
    for where, block in r.blocks(r.raster.shape[1]):
        eta = r.eta(beta, usable, where, block)
        for row, post in enumerate(usable):
            args = (eta[row], r.spikes[post, where], r.deciding[post, where], r.circuit.exact[r.posts[post]])
            filled[post] = rescaled(*args, uniform[post], carry[post], intervals[post], filled[post])
    p_values = np.full(len(r.posts), np.nan)
    for post in usable:
        if filled[post] >= 5:
            p_values[post] = kstest(intervals[post][: filled[post]], "expon").pvalue
    return p_values
