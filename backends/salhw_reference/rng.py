"""Random numbers of the algorithms: xoshiro256++ (Blackman & Vigna), one stream per instance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from salhw_reference.jit import inlined

_11 = np.uint64(11)
_17 = np.uint64(17)
_23 = np.uint64(23)
_41 = np.uint64(41)
_19 = np.uint64(19)
_45 = np.uint64(45)


def streams(seed: int, ids: Sequence[int]) -> npt.NDArray[np.uint64]:
    """A generator state (instance, 4) for each id; depends on the seed and that id alone."""
    digests = [hashlib.sha256(f"salhw/{seed}/{identity}".encode()).digest() for identity in ids]
    return np.array([np.frombuffer(digest, dtype="<u8") for digest in digests], dtype=np.uint64)


@inlined
def uniform(state):
    """The next number of the stream, uniform on [0, 1) with 53 bits; advances ``state`` (4,)."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    total = s0 + s3
    result = ((total << _23) | (total >> _41)) + s0
    s2 ^= s0
    s3 ^= s1
    state[1] = s1 ^ s2
    state[0] = s0 ^ s3
    state[2] = s2 ^ (s1 << _17)
    state[3] = (s3 << _45) | (s3 >> _19)
    return np.float64(result >> _11) * 2.0**-53


@inlined
def exponential(state):
    """A unit-mean exponential variate; advances ``state``."""
    return -np.log(1.0 - uniform(state))
