"""The vector unit's arithmetic: documented values, the same in the emulation headers, and means under rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compiled import build, execute
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from salhw_brainscales2.hardware import processor
from salhw_brainscales2.hardware.processor import COLUMNS

LEVEL = 1e-4  # of every statistical test; seeds are fixed
HALF = st.integers(-32768, 32767)


@pytest.mark.parametrize(
    ("operation", "a", "b", "bits", "expected"),
    [
        (processor.add, -12, 80, 8, 68), (processor.add, 68, 80, 8, 127), (processor.add, 17000, 20000, 16, 32767),
        (processor.subtract, -12, 60, 8, -72), (processor.subtract, -72, 60, 8, -128),
        (processor.subtract, -23000, 20000, 16, -32768),
        (processor.multiply, -12, 42, 8, -4), (processor.multiply, -4, 42, 8, -2),
        (processor.multiply, -3000, 20000, 16, -1832), (processor.multiply, -1832, 20000, 16, -1119),
        (processor.shift_left, 5, 2, 8, 20), (processor.shift_left, 20, 2, 8, 80),
        (processor.shift_left, -5, 2, 8, -20), (processor.shift_left, -20, 2, 8, -80),
    ],
)  # fmt: skip
def test_values_of_the_public_hardware_tests(operation: object, a: int, b: int, bits: int, expected: int) -> None:
    """libnux, tests/hw/libnux/vx/test_vector_frac_sat_*.cpp, which pass on the chip."""
    assert operation(a, b, bits) == expected  # type: ignore[operator]


def test_only_the_lowest_times_the_lowest_saturates_a_product() -> None:
    a, b = np.mgrid[-128:128, -128:128]
    product = processor.multiply(a, b)
    exact = np.floor(a * b / 128)
    assert np.argwhere(product != exact).tolist() == [[0, 0]]
    assert product[0, 0] == 127
    assert processor.shift_right(-80, 2) == -20
    assert processor.shift_right(-5, 1) == -3


@given(HALF, HALF)
def test_an_odd_product_is_odd_and_within_a_unit_of_twice_the_product(a: int, b: int) -> None:
    a, exact = max(a, -32767), 2 * max(a, -32767) * b / 32768
    twice = int(processor.odd_product(a, b))
    assert abs(twice - np.clip(exact, -32768, 32767)) <= 1
    if abs(exact) < 32766:  # no saturation
        assert twice == -int(processor.odd_product(-a, b))


@given(st.integers(-30000, 30000), st.integers(0, 8))
def test_each_rounding_takes_a_neighbour_and_stochastic_rounding_keeps_the_mean(value: int, drop: int) -> None:
    exact = value / 2**drop
    stochastic = processor.round_stochastic(value, drop, np.arange(256))
    assert np.mean(stochastic) == pytest.approx(exact, abs=1e-12)  # over all bytes, exactly
    assert set(np.unique(stochastic)) <= {np.floor(exact), np.ceil(exact)}
    nearest = processor.round_symmetric(value, drop)
    assert abs(nearest - exact) <= 0.5
    assert nearest == -processor.round_symmetric(-value, drop)
    assert processor.round_half_up(value, drop) == np.floor(exact + 0.5)


def test_the_emulation_headers_compute_the_same(tmp_path: Path) -> None:
    binary = build(Path(__file__).parent / "operations.cpp", tmp_path / "operations")
    bytes_ = np.stack(np.mgrid[-128:128, -128:128], axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(0)
    edges = np.array([-32768, -32767, -1, 0, 1, 255, 256, 16384, 32767])
    corners = np.stack(np.meshgrid(edges, edges), axis=-1).reshape(-1, 2)
    halves = np.concatenate([corners, rng.integers(-32768, 32768, (4096 - len(corners), 2))])
    words = [[len(bytes_), len(halves)], *(x.ravel() for x in (bytes_, halves, bytes_, halves))]
    out = execute(binary, np.concatenate(words))

    def take(pairs: np.ndarray) -> np.ndarray:
        nonlocal out
        own, out = out[: 6 * len(pairs)].reshape(-1, 6), out[6 * len(pairs) :]
        return own.T

    for pairs, bits in ((bytes_, 8), (halves, 16)):
        a, b = pairs.T
        by = b % bits
        left = [processor.shift_left(a[by == k], k, bits) for k in range(bits)]
        got = take(pairs)
        assert np.array_equal(got[0], processor.add(a, b, bits))
        assert np.array_equal(got[1], processor.subtract(a, b, bits))
        assert np.array_equal(got[2], processor.multiply(a, b, bits))
        assert np.array_equal(got[3], processor.subtract(0, a, bits))
        assert all(np.array_equal(got[4][by == k], left[k]) for k in range(bits))
        assert np.array_equal(got[5], a >> by)
    for pairs, bits in ((bytes_, 8), (halves, 16)):
        a, b = processor.wrap(pairs.T, bits)
        got = take(pairs)
        for row, exact in zip(got, (a + b, a - b, a * b, -a, a << b % bits, a >> b % bits), strict=True):
            assert np.array_equal(row, processor.wrap(exact, bits))
    x = np.arange(-128, 128)
    high = processor.add(256 * x, 200, 16) >> 8
    rows = (processor.saturate_weight(x), x % 256, 256 * x, high, x % 256, 3 * x % 256)
    assert np.array_equal(out.reshape(-1, 6).T, rows)


def test_generators_have_the_full_period_and_polynomials_of_their_own() -> None:
    assert len(set(processor.polynomials().tolist())) == COLUMNS
    start = np.ones((1, COLUMNS), dtype=np.int64)
    state, drawn = processor.draw(start, 65535)
    assert np.array_equal(state, start)
    assert all(not (processor.draw(start, 65535 // p)[0] == start).any() for p in (3, 5, 17, 257))
    counts = np.apply_along_axis(np.bincount, 0, drawn[:, 0, :4], minlength=256)
    assert np.array_equal(counts, np.where(np.arange(256) == 0, 255, 256)[:, None].repeat(4, axis=1))


def test_a_draw_is_one_new_bit_and_eight_draws_are_a_new_byte() -> None:
    state = processor.seed_generators([3, 4])
    new, drawn = processor.draw(state, 9)
    assert np.array_equal(drawn[1:] >> 1, drawn[:-1] & 0x7F)
    again, rest = processor.draw(processor.draw(state, 4)[0], 5)
    assert np.array_equal(again, new)
    assert np.array_equal(rest, drawn[4:])
    _, long = processor.draw(state, 800)
    fresh = long[7::8].reshape(100, -1)
    assert stats.kstest((fresh.ravel() + np.random.default_rng(0).random(fresh.size)) / 256, "uniform").pvalue > LEVEL
    # Pearson's r of independent numbers is normal with a variance of 1 / n.
    neighbours = np.corrcoef(fresh[:-1].ravel(), fresh[1:].ravel())[0, 1]
    columns = np.corrcoef(fresh[:, :-1].ravel(), fresh[:, 1:].ravel())[0, 1]
    chips = np.corrcoef(fresh[:, :512].ravel(), fresh[:, 512:].ravel())[0, 1]
    limit = stats.norm.isf(LEVEL / 6) / np.sqrt(fresh.size / 2)
    assert max(abs(neighbours), abs(columns), abs(chips)) < limit
