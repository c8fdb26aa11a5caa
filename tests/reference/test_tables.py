"""Tables of arrays: compiled code reads and writes what Python does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from salhw_reference.jit import compiled, handed
from salhw_reference.tables import Table, row

PAIR = np.dtype([("first", np.int64), ("second", np.float64)], align=True)


class Arrays(NamedTuple):
    """Of three instances; ``one`` is shared by them, ``all`` has none in front."""

    own: Any
    one: Any
    pairs: Any
    narrow: Any
    empty: Any
    all: Any

    @property
    def common(self) -> frozenset[str]:
        return frozenset({"all"})


def arrays() -> Arrays:
    pairs = np.zeros((3, 2), PAIR)
    pairs["first"], pairs["second"] = np.arange(6).reshape(3, 2), 0.5 * np.arange(6).reshape(3, 2)
    own, one, narrow = np.arange(60.0).reshape(3, 4, 5), np.arange(7).reshape(1, 7), np.arange(9, dtype=np.uint8)
    return Arrays(own, one, pairs, narrow.reshape(3, 3), np.zeros((3, 0, 2)), np.arange(8.0).reshape(2, 4))


@compiled
def look(batch, b, out):  # type: ignore[no-untyped-def]  # numba compiles it, which has types of its own
    """Something of every array, and a change of three."""
    it = row(batch, b)
    out[0], out[1], out[2] = it.own[2, 3], it.one[6], it.pairs[1]["first"]
    out[3], out[4], out[5] = it.pairs[1]["second"], it.narrow[2], it.all[1, 2]
    out[6], out[7], out[8] = len(it.empty), it.own.shape[1], it.own[-1, -1]
    it.own[0, 0], it.one[0], it.pairs[0]["first"] = -1.0, -2, -3


@pytest.mark.parametrize("b", [0, 2])
def test_compiled_code_sees_what_python_sees(b: int) -> None:
    found, right = np.zeros(9), np.zeros(9)
    there, here = arrays(), arrays()
    look(handed(look, there), b, found)
    getattr(look, "py_func", look)(here, b, right)
    assert found.tolist() == right.tolist()
    for one, other in zip(there, here, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [there.own[b, 0, 0], there.one[0, 0], there.pairs[b, 0]["first"]] == [-1.0, -2, -3]


def test_all_tables_of_one_kind_of_arrays_have_one_type() -> None:
    first, second = Table(arrays()), Table(arrays()._replace(own=np.zeros((3, 1, 9))))
    assert len({first.type, second.type}) == 1
    assert first.type != Table(arrays()._replace(narrow=np.zeros((3, 3)))).type


def test_arrays_that_are_not_contiguous_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Arrays\.own is not contiguous"):
        Table(arrays()._replace(own=np.zeros((3, 5, 4)).transpose(0, 2, 1)))
