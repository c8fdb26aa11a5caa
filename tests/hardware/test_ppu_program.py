"""The C++ program, compiled with g++ against the emulation headers, gives the emulator's weights bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compiled import run_ppu_program, run_two

from salhw import SAL, AntiHebbian, Hebbian, PairSTDP
from salhw_brainscales2.hardware import ppu_program, program
from salhw_brainscales2.hardware.program import PlasticitySetting
from salhw_brainscales2.hardware.reference import PhaseProgram

PERIOD = {"update": "every 200 ms", "pairing": "nearest_restricted"}
CASES = [
    (SAL(0.004, **PERIOD), 8, "stochastic", 1, 1),
    (SAL(0.004, **PERIOD), 0, "stochastic", 3, 1),
    (Hebbian(0.02, **PERIOD), 3, "symmetric", 2, 1),
    (AntiHebbian(0.07, **PERIOD, bounds=(-1.0, 0.6)), 8, "symmetric", 1, 1),
    (SAL(0.0001, **PERIOD), 5, "half_up", 2, 1),
    (SAL(0.05, **PERIOD), 2, "stochastic", 2, 1),
    (SAL(0.01, **PERIOD), 8, "stochastic", 2, 2),
    (Hebbian(0.07, **PERIOD, bounds=(-3.0, 9.5)), 8, "symmetric", 1, 4),
    (SAL(0.07, **PERIOD), 8, "stochastic", 3, 8),
]


@pytest.mark.parametrize(("rule", "hidden_bits", "rounding", "rows", "per_weight"), CASES)
def test_the_program_does_what_the_emulator_does(
    rule: PairSTDP, hidden_bits: int, rounding: program.Rounding, rows: int, per_weight: int, tmp_path: Path
) -> None:
    """Half of the reads are as learning sees them, half anything that a converter can say. Weights of several synapses
    are divided among them as equally as whole numbers are, which main.cpp looks at."""
    rng = np.random.default_rng([hidden_bits, rows])
    columns, updates = 60, 120
    column = np.concatenate([rng.permutation(256)[:columns] for _ in range(rows)])
    row = np.repeat(rng.permutation(20)[:rows], columns)
    baseline = rng.uniform(100.0, 220.0, (2, 2, rows * columns))
    setting = PlasticitySetting(code=0.04, hidden_bits=hidden_bits, rounding=rounding, rows=per_weight)
    signs = np.array([[float(np.asarray(w.amplitude))] for w in (rule.causal, rule.anticausal)])
    amplitudes = signs * rng.uniform(0.6, 1.1, baseline.shape)
    hemisphere = rows % 2
    compiled = program.compile_rule(
        rule, setting, row, column + 256 * hemisphere, baseline, amplitudes=amplitudes, seed=[11, 2**31 - 1]
    )
    reads = rng.integers(0, 256, (updates, 2, rows * columns))
    usual = np.rint(baseline[1] + rng.normal(-5.0, 5.0, reads.shape))
    reads = np.where(rng.random(reads.shape) < 0.5, np.clip(usual, 0, 255).astype(np.int64), reads)
    code = rng.integers(-63 * per_weight, 63 * per_weight + 1, rows * columns)

    states = [program.initial_state(compiled, code)]
    for update in reads:
        states.append(program.run(compiled, np.stack([update, update]), states[-1]))
    codes, residuals, generators = run_ppu_program(compiled, 1, code, reads, tmp_path)
    assert np.array_equal(codes, [state.code[1] for state in states[1:]])
    assert np.array_equal(residuals, [state.residual[1] for state in states[1:]])
    if rounding == "stochastic":
        assert np.array_equal(generators, states[-1].generators[1, hemisphere])
    moved = np.diff([state.code[1] for state in states], axis=0)
    assert (moved != 0).sum() > 0 if rule.learning_rate == 0.0001 else (moved != 0).mean() > 0.1


@pytest.mark.parametrize(("every", "rounding", "rows", "per_weight"),
                         [(0, "stochastic", 2, 1), (9, "symmetric", 1, 4)])  # fmt: skip
def test_a_reference_phase_of_the_program_is_that_of_the_emulator(
    every: int, rounding: program.Rounding, rows: int, per_weight: int, tmp_path: Path
) -> None:
    """The first call begins the phase; then come its updates, those that learn, with ``every`` a second phase. Factors
    differ from synapse to synapse; counters overflow; some neurons never spike. Weights are recorded before a call
    begins or ends a phase."""
    rng, phase_updates, columns = np.random.default_rng([7, rows]), 12, 60
    column = np.concatenate([rng.permutation(256)[:columns] for _ in range(rows)])
    row, pre = np.repeat(np.arange(rows), columns), rng.integers(0, 256, rows * columns)
    setting = PlasticitySetting(code=0.04, rounding=rounding, rows=per_weight)
    baseline = rng.uniform(150.0, 200.0, (1, 2, rows * columns))
    compiled = program.compile_rule(
        SAL(0.03, **PERIOD), setting, row, column, baseline, seed=5,
        learning_rate=rng.uniform(0.01, 0.03, (1, rows * columns)), phase=PhaseProgram(pre, phase_updates, every),
    )  # fmt: skip
    updates = 1 + 2 * (phase_updates + 9)
    reads = np.clip(np.rint(baseline[0] + rng.normal(-5.0, 5.0, (updates, 2, rows * columns))), 0, 255).astype(np.int64)
    spikes = rng.poisson(rng.choice([0.0, 3.0, 40.0, 250.0], 256), (updates, 256))
    code = rng.integers(-63 * per_weight, 63 * per_weight + 1, rows * columns)
    state = program.initial_state(compiled, code)
    recorded, state, done = [(code, state.residual[0])], program.silenced(state), 0
    for read, counts in zip(reads[1:], spikes[1:], strict=True):
        state, done = program.run(compiled, read[None], state, counts[None]), done + 1
        recorded.append((0 * code if state.silent else state.code[0], state.residual[0]))
        if done == (phase_updates if state.silent else every):
            state, done = (program.sounding if state.silent else program.silenced)(state), 0
    codes, residuals, generators = run_ppu_program(compiled, 0, code, reads, tmp_path, spikes)
    assert np.array_equal(codes, [held for held, _ in recorded])
    assert np.array_equal(residuals, [hidden for _, hidden in recorded])
    if rounding == "stochastic":
        assert np.array_equal(generators, state.generators[0, 0])
    assert state.reference is not None
    error = state.reference.error
    assert (error == 0).mean() > 0.2, "neurons that never spike have no reference"
    assert len(np.unique(error)) > 20


def test_the_program_speaks_to_the_real_interfaces_and_fits() -> None:
    """Names of libnux and grenade, in every rounding mode; sizes as the processor's memory counts them."""
    pre, column = np.arange(32) ^ 1, np.arange(32)
    for rounding in ("stochastic", "symmetric", "half_up"):
        setting = PlasticitySetting(code=0.04, rounding=rounding)
        compiled = program.compile_rule(SAL(0.004, **PERIOD), setting, 0 * pre, column, np.full((1, 2, 32), 180.0))
        text = ppu_program.cpp_source(compiled)
        assert "$" not in text
        assert text.count("PLASTICITY_RULE_KERNEL(") == 1
        assert ("parallel_rng_rand" in text) == (rounding == "stochastic")
        assert text.count("{0, 0, ") == 32
    assert ppu_program.memory(compiled) == 256 * 5 + 8 * 32 < ppu_program.PROCESSOR_MEMORY
    rates = np.linspace(0.001, 0.004, 32)  # factors of their own take room
    baseline = np.full((1, 2, 32), 180.0)
    compiled = program.compile_rule(SAL(0.004, **PERIOD), setting, 0 * pre, column, baseline, learning_rate=rates)
    assert ppu_program.memory(compiled) == 256 * 9 + 12 * 32


def test_programs_of_two_rules_are_linked_and_keep_to_themselves(tmp_path: Path) -> None:
    """Two plastic projections: each is a source of its own, and all are linked into one program.

    A global that both define clashes; an inline function that both define is taken from one of them, in silence. So
    both are compiled as the real software does it, linked, run in turn, and each must learn as if it were alone. The
    rules differ in everything: rounding, hidden bits, bounds, factors, baselines.
    """
    rng, columns, updates = np.random.default_rng(6), 40, 30
    column, row = np.arange(columns), np.zeros(columns, dtype=np.int64)
    cases = [
        (SAL(0.004, **PERIOD), PlasticitySetting(code=0.04, hidden_bits=8, rounding="symmetric")),
        (
            AntiHebbian(0.07, **PERIOD, bounds=(-1.0, 0.6)),
            PlasticitySetting(code=0.04, hidden_bits=3, rounding="half_up"),
        ),
    ]
    programs = [
        program.compile_rule(rule, setting, row, column, rng.uniform(170.0, 190.0, (1, 2, columns)))
        for rule, setting in cases
    ]
    codes, reads = rng.integers(-60, 61, (2, columns)), rng.integers(150, 200, (updates, 2, 2, columns))
    alone = []
    for k, p in enumerate(programs):
        states = [program.initial_state(p, codes[k])]
        for read in reads[:, k]:
            states.append(program.run(p, read[None], states[-1]))
        alone.append([state.code[0] for state in states[1:]])
    together = run_two((programs[0], programs[1]), codes, reads, tmp_path)
    assert np.array_equal(together[:, 0], alone[0])
    assert np.array_equal(together[:, 1], alone[1])
    assert not np.array_equal(alone[0][-1], codes[0])
