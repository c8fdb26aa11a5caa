"""A plasticity program: what the processor computes from a period's correlation reads, as data, and its emulation.

Number formats, all two's complement:

| quantity | format |
|---|---|
| amplitude = baseline - read | 16 bit, unit 1/128 LSB (the baseline is known to a fraction of an LSB) |
| factor | 16-bit fraction: codes per LSB times ``2^guard``, over 2^15 |
| change | 16 bit, unit 2^-(8 + guard) codes: as fine as the largest possible change allows |
| weight | the synapse's 6-bit code, its sign given by the row, and beside it 8 hidden bits: 256 code + residual |

A program without hidden bits rounds every change to whole codes; with them, to 1/256 code. A weight in several rows is
one number as well, the sum of their codes, and 16 bits hold it: in 1 or 2 rows with 8 hidden bits, in 4 with 7, in 8
with 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, log2
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import ExponentialWindow, Window
from salhw.diagnostics import DescriptionError, Diagnostic, UnsupportedNetworkError
from salhw_brainscales2.hardware import processor, reference
from salhw_brainscales2.hardware.processor import COLUMNS, WEIGHT_MAX
from salhw_brainscales2.hardware.reference import PhaseMemory, PhaseProgram
from salhw_brainscales2.hardware.rows import shortest_period

Rounding = Literal["stochastic", "symmetric", "half_up"]
FRACTION = 8
"""Bits of a weight below the code, at most."""
LSB = 128
"""Units of an amplitude per LSB."""
STALE_DRAWS = 8
"""Draws before an update, so that no bit of the previous one is left in the generators."""
WINDOWS: ByKind[None] = ByKind("a correlation sensor", {ExponentialWindow: None})
"""The windows that a sensor's charge decays by."""


def fraction(rows: int) -> int:
    """Bits below the code that a weight of this many rows leaves in 16, with its sign; 8 at most."""
    return min(FRACTION, 15 - (WEIGHT_MAX * rows).bit_length())


@dataclass(frozen=True)
class PlasticityProgram:
    """What runs every ``period`` ms; B chips, S synapses.

    Args:
        row: the synapse's row (an excitatory and an inhibitory one together), (S,); rows are worked off in their order.
        column: 0..511, of both hemispheres, (S,).
        baseline: of the causal the anti-causal branch in 1/128 LSB, (B, 2, S).
        factor: of the amplitudes, signs included, -32767..32767, (B, 2, S).
        guard: bits of a change below 2^-8 codes.
        hidden_bits: bits below the code that a weight keeps, 0..8.
        low, high: bounds in codes.
        rows: row pairs that make a weight together, which lie one after the other; the sensor of the first is read.
        rounding: how a change is rounded. ``half_up`` shows what goes wrong.
        period: ms of biological time.
        seed: of the random generators of each chip, (B,).
        phase: when the processor measures its own error, if it does.
    """

    row: IntArray
    column: IntArray
    baseline: IntArray
    factor: IntArray
    guard: int
    hidden_bits: int
    low: int
    high: int
    rows: int
    rounding: Rounding
    period: float
    seed: IntArray
    phase: PhaseProgram | None = None

    @property
    def fraction(self) -> int:
        """Bits of a weight below the code."""
        return fraction(self.rows)

    @property
    def drop(self) -> int:
        """Bits that rounding removes from a change."""
        return self.guard + FRACTION - self.hidden_bits


@dataclass(frozen=True)
class PlasticityState:
    """What the chip holds: ``code`` -63..63 (in each row) and ``residual`` -128..127 in 1/256 codes (2^-``fraction``),
    (B, S); the random generators, (B, 2, 256); what it keeps of a reference phase, and whether one is under way."""

    code: IntArray
    residual: IntArray
    generators: IntArray
    reference: PhaseMemory | None = None
    silent: bool = False


@dataclass(frozen=True)
class PlasticitySetting:
    """What sensors and processor are set to, for all rules of a chip.

    Args:
        code: the weight of one code, in units of the rule's weights.
        amplitude: LSB per pair at distance 0: the target of the sensors' calibration.
        capacity: LSB; changes by charges up to there do not saturate.
        tau: range of the sensors' time constant in ms.
        hidden_bits, rounding, rows: as in ``PlasticityProgram``.
    """

    code: float
    amplitude: float = 2.0
    capacity: float = 150.0
    tau: tuple[float, float] = (2.0, 30.0)
    hidden_bits: int = FRACTION
    rounding: Rounding = "stochastic"
    rows: int = 1

    @property
    def kept_bits(self) -> int:
        """Hidden bits that there is room for."""
        return min(self.hidden_bits, fraction(self.rows))

    def __post_init__(self) -> None:
        wrong = []
        if not 0 <= self.hidden_bits <= FRACTION:
            wrong.append(Diagnostic("SAL005", "hidden_bits", f"{self.hidden_bits}", f"0..{FRACTION}", "choose one"))
        if self.rounding not in get_args(Rounding):
            names = ", ".join(get_args(Rounding))
            wrong.append(Diagnostic("SAL005", "rounding", repr(self.rounding), f"one of {names}", "choose one"))
        if wrong:
            raise DescriptionError("DescriptionError: no such plasticity processor", wrong)


def findings(rule: PairSTDP, path: str, setting: PlasticitySetting, rows: int) -> list[Diagnostic]:
    """Why the processor and its sensors cannot do ``rule``, if they cannot.

    Args:
        path: of the rule, as in ``projections.pair.plasticity``.
        rows: rows (pairs of an excitatory and an inhibitory one) of the fuller hemisphere, all those of a weight.
    """
    wrong = []
    for branch, window in (("causal", rule.causal), ("anticausal", rule.anticausal)):
        if unknown := [*WINDOWS.refused(f"{path}.{branch}", window)]:
            wrong += unknown
        elif not setting.tau[0] <= window.tau <= setting.tau[1]:
            low, high = setting.tau
            supported, fix = f"supported {low:g}..{high:g} ms", f"tau within {low:g}..{high:g} ms"
            wrong.append(Diagnostic("SAL104", f"{path}.{branch}.tau", f"{window.tau:g} ms", supported, fix))
    if rule.causal.tau != rule.anticausal.tau:
        asked, supported = f"{rule.anticausal.tau:g} ms", f"the causal branch's {rule.causal.tau:g} ms"
        wrong.append(Diagnostic("SAL104", f"{path}.anticausal.tau", asked, supported, "make them equal"))
    if rule.pairing != "nearest_restricted":
        wrong.append(Diagnostic("SAL103", f"{path}.pairing", rule.pairing, "supported nearest_restricted", "choose it"))
    if rule.period is None:
        wrong.append(
            Diagnostic("SAL101", f"{path}.update", rule.update, "supported every T ms", "as in 'every 200 ms'")
        )
    elif rule.period < (shortest := shortest_period(rows)) * (1 - 1e-9):
        asked, supported = f"an update every {rule.period:g} ms", f"{shortest:g} ms needed for {2 * rows} rows"
        fix = f"update='every {shortest:g} ms', or fewer inputs per neuron"
        wrong.append(Diagnostic("SAL202", f"{path}.update", asked, supported, fix))
    largest = max(float(np.abs(rule.learning_rate * window.amplitude).max(initial=0.0)) for window in _windows(rule))
    if largest >= setting.code * setting.amplitude:
        supported = f"less than {setting.code * setting.amplitude:g}, one code per LSB"
        wrong.append(Diagnostic("SAL104", f"{path}.learning_rate", f"{largest:g}", supported, "learn more slowly"))
    return wrong


def _windows(rule: PairSTDP) -> tuple[Window, Window]:
    return rule.causal, rule.anticausal


def compile_rule(
    rule: PairSTDP,
    setting: PlasticitySetting,
    row: npt.ArrayLike,
    column: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    learning_rate: npt.ArrayLike | None = None,
    amplitudes: npt.ArrayLike | None = None,
    seed: npt.ArrayLike = 0,
    phase: PhaseProgram | None = None,
) -> PlasticityProgram:
    """A rule without ``findings`` as a program.

    Args:
        row, column: physical place of each synapse, (S,).
        baseline: read without charge in LSB, (B, 2, S) (``sensor.measured_baseline``).
        learning_rate: one number, (S,), or (B, S); the rule's if absent.
        amplitudes: of the branches, broadcast to (B, 2, S); the rule's if absent. Calibrated ones are the rule's over
            what the sensors make of them.
        seed: of the random generators, one number per chip or one for all (then chip b has seed + b).
        phase: when the processor measures its own error, if it does.

    Raises:
        UnsupportedNetworkError: learning rate times amplitude exceeds what a factor holds.
    """
    base = np.asarray(baseline, dtype=np.float64)
    chips, _, synapses = base.shape
    eta = np.broadcast_to(rule.learning_rate if learning_rate is None else learning_rate, (chips, synapses))
    described = np.array([np.broadcast_to(window.amplitude, synapses) for window in _windows(rule)])
    sides: FloatArray = described if amplitudes is None else np.asarray(amplitudes, dtype=np.float64)
    per_lsb: FloatArray = eta[:, None, :] * sides / (setting.code * setting.amplitude)
    largest = float(np.abs(per_lsb).max(initial=0.0))
    if largest >= 1.0 - 2.0**-16:
        finding = Diagnostic(
            "SAL104",
            "learning_rate",
            f"{largest:.3g} codes per LSB, learning rate times amplitude",
            "less than 1, as a factor holds",
            "learn more slowly",
        )
        raise UnsupportedNetworkError(
            "UnsupportedNetworkError: the plasticity processor's factors are exceeded", [finding]
        )
    change = max(largest, float(np.abs(per_lsb.sum(axis=1)).max(initial=0.0))) * setting.capacity
    room = min(1.0 / max(largest, 1e-9), 127.0 / max(change, 1e-9))
    guard = max(0, min(setting.kept_bits, floor(log2(room))))
    low, high = -WEIGHT_MAX * setting.rows, WEIGHT_MAX * setting.rows
    if rule.bounds is not None:
        low, high = (int(np.clip(round(bound / setting.code), low, high)) for bound in rule.bounds)
    seeds = np.asarray(seed, dtype=np.int64)
    return PlasticityProgram(
        np.asarray(row, dtype=np.int64),
        np.asarray(column, dtype=np.int64),
        np.rint(np.clip(base * LSB, 0, 32767)).astype(np.int64),
        processor.saturate(np.rint(per_lsb * 2.0 ** (15 + guard)), 16),
        guard,
        setting.kept_bits,
        low,
        high,
        setting.rows,
        setting.rounding,
        rule.period or 0.0,
        seeds if seeds.ndim else seeds + np.arange(chips),
        phase,
    )


def codes_per_lsb(program: PlasticityProgram) -> FloatArray:
    """What the factors stand for after rounding, (B, 2, S)."""
    return np.ldexp(program.factor.astype(np.float64), -(15 + program.guard))


def initial_state(program: PlasticityProgram, code: npt.ArrayLike) -> PlasticityState:
    """Weights as the host writes them, -63..63 (in each row) broadcast to (B, S), nothing hidden; generators freshly
    seeded."""
    shape, most = program.baseline.shape[::2], WEIGHT_MAX * program.rows
    codes = np.broadcast_to(np.clip(np.rint(code), -most, most), shape).astype(np.int64)
    memory = None if program.phase is None else PhaseMemory.empty(shape)
    return PlasticityState(codes, np.zeros_like(codes), processor.seed_generators(program.seed), memory)


def run(
    program: PlasticityProgram, reads: IntArray, state: PlasticityState, spikes: IntArray | None = None
) -> PlasticityState:
    """One update, bit for bit what its C++ (ppu_program.py) computes on the chip. In a reference phase it only counts.

    Args:
        reads: the converters' 0..255, (B, 2, S), causal branch first.
        spikes: since the last update, of the neuron of each column, (B, column); for programs with a phase.
    """
    amplitude = processor.subtract(program.baseline, reads * LSB, 16)
    branches = processor.odd_product(amplitude, program.factor, 16)
    change = processor.add(branches[:, 0], branches[:, 1], 16)
    if program.phase is not None:
        assert state.reference is not None
        assert spikes is not None
        products = reference.spike_products(program.phase, program.column, spikes)
        if state.silent:
            return replace(state, reference=reference.counted(state.reference, change, products))
        change = processor.subtract(change, reference.correction(state.reference, products), 16)
    generators = state.generators
    if not program.drop:
        rounded = change
    elif program.rounding == "stochastic":
        random, generators = _random(program, generators)
        rounded = processor.round_stochastic(change, program.drop, random)
    elif program.rounding == "half_up":
        rounded = processor.round_half_up(change, program.drop)
    else:
        rounded = processor.round_symmetric(change, program.drop)
    below = program.fraction
    old = processor.add(state.code << below, state.residual, 16)
    new = processor.add(old, processor.shift_left(rounded, below - program.hidden_bits, 16), 16)
    new = np.clip(new, program.low << below, program.high << below)
    code = (new + (1 << below >> 1)) >> below
    return replace(state, code=code, residual=new - (code << below), generators=generators)


def silenced(state: PlasticityState) -> PlasticityState:
    """A reference phase begins. The processor keeps the codes, and writes zeros."""
    assert state.reference is not None
    return replace(state, silent=True, reference=reference.begun(state.reference))


def sounding(state: PlasticityState) -> PlasticityState:
    """The reference phase ends; codes and what is hidden are as before it."""
    assert state.reference is not None
    return replace(state, silent=False, reference=reference.concluded(state.reference))


def _random(program: PlasticityProgram, generators: IntArray) -> tuple[IntArray, IntArray]:
    """A byte for each synapse, (B, S), and the generators afterwards: one draw of all columns per row."""
    new, random = generators.copy(), np.empty((len(generators), len(program.row)), dtype=np.int64)
    for hemisphere in np.unique(program.column // COLUMNS):
        here = program.column // COLUMNS == hemisphere
        rows = np.unique(program.row[here])
        new[:, hemisphere], drawn = processor.draw(generators[:, hemisphere], STALE_DRAWS + len(rows))
        turn = STALE_DRAWS + np.searchsorted(rows, program.row[here])
        random[:, here] = drawn[turn, :, program.column[here] % COLUMNS].T
    return random, new
