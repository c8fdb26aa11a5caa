"""Standard normal numbers by a counter-based generator: a draw follows from who asks, for what, and where, alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
LOW, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
"""What the lower word of 64 bits is masked with, and how many bits it has."""

Words = npt.NDArray[np.uint64]
Key = tuple[int | Words, int | Words]


def philox4x32(counter: Words, key: Key) -> Words:
    """Philox4x32-10 (Salmon et al. 2011), vectorised.

    Args:
        counter: (..., 4) 32-bit words held in uint64.
        key: two 32-bit words, or arrays of them that broadcast with ``counter[..., 0]``.

    Returns:
        (..., 4) random 32-bit words held in uint64.
    """
    a, b, c, d = (counter[..., k].astype(np.uint64) for k in range(4))
    key_0, key_1 = (np.asarray(word, dtype=np.uint64) for word in key)
    for _ in range(_ROUNDS):
        product_0, product_1 = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (
            (product_1 >> WORD) ^ b ^ key_0,
            product_1 & LOW,
            (product_0 >> WORD) ^ d ^ key_1,
            product_0 & LOW,
        )
        key_0, key_1 = (key_0 + _WEYL[0]) & LOW, (key_1 + _WEYL[1]) & LOW
    return np.stack([a, b, c, d], axis=-1)


def normal(who: Sequence[str], what: str, where: Words) -> FloatArray:
    """A standard normal number for each of ``who`` and each place, (who, *where.shape)."""
    from scipy.special import ndtri  # here, because importing it takes as long as the rest of salhw

    name = int.from_bytes(hashlib.sha256(what.encode("utf-8", "backslashreplace")).digest()[:8], "little")
    words = np.stack(
        [where & LOW, where >> WORD, np.full_like(where, name & 0xFFFFFFFF), np.full_like(where, name >> 32)],
        axis=-1,
    )
    digests = [np.frombuffer(hashlib.sha256(one.encode()).digest()[:8], dtype="<u4") for one in who]
    keys = np.array(digests, dtype=np.uint64).reshape(len(who), 2, *(1,) * where.ndim)
    random = philox4x32(words, (keys[:, 0], keys[:, 1]))
    uniform = ((random[..., 0] << np.uint64(20)) + (random[..., 1] >> np.uint64(12)) + 0.5) * 2.0**-52
    return np.asarray(ndtri(uniform), dtype=np.float64)
