"""The arithmetic of the plasticity processor's vector unit, element by element, on numpy integers.

Sources (public): the processor's guide and RTL (electronicvisions/nux, ``doc/guide/src/fxv.tex``), the vector types and
their hardware tests (electronicvisions/libnux, ``include/libnux/vx``, ``tests/hw``). What they say:

- An n-bit fractional number is an integer in -2^(n-1)..2^(n-1) - 1 that stands for itself over 2^(n-1).
- Addition and subtraction saturate. A product is the upper half of the double-width one: a b / 2^(n-1), rounded towards
  minus infinity (-12 * 42 = -4, -4 * 42 = -2); it saturates only for the lowest times the lowest.
- The vector types shift right by such a product (towards minus infinity, too), and left without saturation: the sign
  stays, of the other bits those that are shifted out are lost.
- Each column has a random generator with 16 bits of state. A draw shifts one new bit in and gives 8 bits, so successive
  draws of a column overlap: after 8 draws all bits are new. The polynomials differ from column to column.

Undocumented, so chosen here: which polynomials (256 primitive ones, so every period is 65535), which 8 of the 16 bits
(the newest), and that the negative of the lowest number saturates.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import IntArray

COLUMNS = 256  # per hemisphere, each of which has a processor
WEIGHT_MAX = 63


def wrap(x: npt.ArrayLike, bits: int) -> IntArray:
    """``x`` modulo 2^bits as an unsigned number: all that the modular types (``VectorRowMod8``, ``Mod16``) hold."""
    return np.asarray(x, dtype=np.int64) & ((1 << bits) - 1)


def saturate(x: npt.ArrayLike, bits: int) -> IntArray:
    """The nearest signed number of ``bits`` bits."""
    return np.clip(np.asarray(x, dtype=np.int64), -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def add(a: npt.ArrayLike, b: npt.ArrayLike, bits: int = 8) -> IntArray:
    """a + b, saturating (``fxvaddbfs``, ``fxvaddhfs``)."""
    return saturate(np.add(a, b, dtype=np.int64), bits)


def subtract(a: npt.ArrayLike, b: npt.ArrayLike, bits: int = 8) -> IntArray:
    """a - b, saturating (``fxvsubbfs``, ``fxvsubhfs``)."""
    return saturate(np.subtract(a, b, dtype=np.int64), bits)


def multiply(a: npt.ArrayLike, b: npt.ArrayLike, bits: int = 8) -> IntArray:
    """floor(a b / 2^(bits-1)), saturating (``fxvmulbfs``, ``fxvmulhfs``)."""
    return saturate(np.multiply(a, b, dtype=np.int64) >> (bits - 1), bits)


def shift_right(a: npt.ArrayLike, by: int) -> IntArray:
    """floor(a / 2^by): how the fractional types shift right, for numbers of any size."""
    return np.asarray(a, dtype=np.int64) >> by


def shift_left(a: npt.ArrayLike, by: int, bits: int = 8) -> IntArray:
    """a 2^by in the bits below the sign, which stays; nothing saturates."""
    a = np.asarray(a, dtype=np.int64)
    return wrap(a << by, bits - 1) - (wrap(a, bits) >> (bits - 1) << (bits - 1))


def odd_product(a: npt.ArrayLike, b: npt.ArrayLike, bits: int = 16) -> IntArray:
    """2 a b / 2^(bits-1), as a b - (-a) b, saturating.

    A product rounds towards minus infinity, which moves its mean by half a unit. The difference of the two is an odd
    function of ``a`` instead: what goes up for a, goes down for -a, and nothing drifts.
    """
    return subtract(multiply(a, b, bits), multiply(subtract(0, a, bits), b, bits), bits)


def round_stochastic(value: npt.ArrayLike, drop: int, random: npt.ArrayLike, bits: int = 16) -> IntArray:
    """``value`` / 2^drop, up or down with the probabilities that keep the mean.

    Args:
        drop: how many bits to round away, 0..8.
        random: bytes 0..255 of the columns' generators.
    """
    return shift_right(add(value, shift_right(random, 8 - drop), bits), drop)


def round_symmetric(value: npt.ArrayLike, drop: int, bits: int = 16) -> IntArray:
    """``value`` / 2^drop to the nearest, halves away from zero."""
    half = (1 << drop) >> 1
    value = np.asarray(value, dtype=np.int64)
    up = shift_right(add(value, half, bits), drop)
    down = subtract(0, shift_right(subtract(half, value, bits), drop), bits)
    return np.where(value >= 0, up, down)


def round_half_up(value: npt.ArrayLike, drop: int, bits: int = 16) -> IntArray:
    """``value`` / 2^drop to the nearest, halves up: drives weights upwards wherever halves are frequent."""
    return shift_right(add(value, (1 << drop) >> 1, bits), drop)


def saturate_weight(value: npt.ArrayLike) -> IntArray:
    """The nearest 6-bit weight, 0..63."""
    return np.clip(np.asarray(value, dtype=np.int64), 0, WEIGHT_MAX)


@cache
def polynomials() -> IntArray:
    """The feedback taps of the columns' generators, (COLUMNS,): the first 256 primitive polynomials of degree 16.

    Bit k of an entry says that bit k of the state feeds back. A polynomial is primitive if x has the order 65535
    modulo it, that is x^65535 = 1, but x^(65535 / p) != 1 for the primes p = 3, 5, 17, 257.
    """
    low = np.arange(1, 1 << 16, 2, dtype=np.int64)  # without the leading x^16; the constant term is 1
    low = low[: 1 << 13]  # a sixteenth of all polynomials is primitive: enough of them
    low = low[_power_of_x(65535, low) == 1]
    for prime in (3, 5, 17, 257):
        low = low[_power_of_x(65535 // prime, low) != 1]
    chosen = low[:COLUMNS]
    # x^16 = sum c_k x^k: the bit that enters is the sum of those that entered 16 - k draws ago, at place 15 - k.
    taps = sum(((chosen >> k) & 1) << (15 - k) for k in range(16))
    result: IntArray = np.asarray(taps, dtype=np.int64)
    result.flags.writeable = False
    return result


def _power_of_x(exponent: int, low: IntArray) -> IntArray:
    """x^exponent modulo each polynomial x^16 + low, over the field of two elements."""
    result, square = np.ones_like(low), np.full_like(low, 2)
    while exponent:
        if exponent & 1:
            result = _times(result, square, low)
        square = _times(square, square, low)
        exponent >>= 1
    return result


def _times(a: IntArray, b: IntArray, low: IntArray) -> IntArray:
    product = np.zeros_like(a)
    for k in range(15, -1, -1):
        product = (product << 1) ^ np.where(product & 0x8000, low | 0x10000, 0) ^ np.where((b >> k) & 1, a, 0)
    return product


def seed_generators(seeds: npt.ArrayLike, processors: int = 2) -> IntArray:
    """Fresh generators, (seed, processor, column), for seeds 0..2^31 - 1.

    The vector unit can set the low byte of a state (and clears the high one): here to 1..255, from the numbers of an
    xorshift32. 64 draws then fill the high byte.
    """
    return _seeded(tuple(np.asarray(seeds, dtype=np.int64).tolist()), processors).copy()


@lru_cache(maxsize=8)  # each write of weights seeds those of its chips again
def _seeded(seeds: tuple[int, ...], processors: int) -> IntArray:
    own = 2 * np.array(seeds, dtype=np.int64)[:, None] + np.arange(processors)
    x = wrap(2654435761 * (own + 1), 32)
    low = np.empty((*x.shape, COLUMNS), dtype=np.int64)
    for column in range(COLUMNS):
        x = x ^ wrap(x << 13, 32)
        x = x ^ (x >> 17)
        x = x ^ wrap(x << 5, 32)
        low[..., column] = 1 + x % 255
    return draw(low, 64)[0]


def draw(state: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """``count`` draws of every generator.

    Args:
        state: (..., column), 16 bits each; zero stays zero.

    Returns:
        The new state, and the bytes drawn (count, ..., column).
    """
    new = np.array(state, dtype=np.int64, order="C")
    out = np.empty((count, *new.shape), dtype=np.int64)
    _compiled()(new.reshape(-1, COLUMNS), polynomials(), out.reshape(count, -1, COLUMNS))
    return new, out


@cache
def _compiled() -> Callable[..., Any]:
    from salhw.jit import cached

    compiled: Callable[..., Any] = cached(nogil=True)(_draw)
    return compiled


def _draw(state: Any, taps: Any, out: Any) -> None:
    for k in range(out.shape[0]):
        for b in range(state.shape[0]):
            for c in range(state.shape[1]):
                fed = state[b, c] & taps[c]
                fed ^= fed >> 8
                fed ^= fed >> 4
                fed ^= fed >> 2
                fed ^= fed >> 1
                state[b, c] = ((state[b, c] << 1) | (fed & 1)) & 0xFFFF
                out[k, b, c] = state[b, c] & 0xFF
