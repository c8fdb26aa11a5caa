"""Many arrays by one address: how a network, its state and its vectors reach compiled code.

A named tuple of forty arrays is some two hundred numbers to compiled code, each of which is a parameter of every
function that takes the tuple; to compile these took most of the time. So the numbers lie in a table instead, a row for
each instance, and functions take the address of a row. No row changes while compiled code runs, and loads from it say
so: the compiler moves them out of loops as if they were parameters.

By numba's public means of extension. Where numba is switched off, the tuples themselves are handed on.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    overload,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import from_dtype

NUMBER = ir.IntType(64)


class Place(NamedTuple):
    """Where a row has an array, its address and then its shape: from which word on; and of which type it is."""

    word: int
    type: types.Array


class RowType(types.Type):
    """What numba knows of a row: the places of its arrays, by name, and how many words it has."""

    def __init__(self, name: str, places: dict[str, Place]) -> None:
        self.places = places
        self.words = sum(1 + place.type.ndim for place in places.values())
        # Types are the same if their names are, and names are parts of those of all functions.
        digest = hashlib.sha256(repr(sorted(places.items())).encode()).hexdigest()
        super().__init__(f"{name}{digest[:16]}")


class TableType(types.Type):
    """What numba knows of a table: its rows."""

    def __init__(self, row_type: RowType) -> None:
        self.row = row_type
        super().__init__(f"Table{row_type.name}")


class Table:
    """The arrays of a batch for compiled code. Fields that ``arrays.common`` names have no instance in front; others
    may have a single one that all instances share.

    Raises ValueError where an array is not contiguous.
    """

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays  # which live as long as their addresses are known
        own = [array for name, array in arrays._asdict().items() if name not in arrays.common]
        rows = max(map(len, own), default=1)
        fields = tuple((a.dtype, a.ndim - (name not in arrays.common)) for name, a in arrays._asdict().items())
        self.type = _table_type(type(arrays), fields)
        places, words = self.type.row.places, self.type.row.words
        self._words = np.empty((rows, words), np.int64)
        self.address = self._words.ctypes.data
        for name, array in arrays._asdict().items():
            if not array.flags.c_contiguous:
                raise ValueError(f"{type(arrays).__name__}.{name} is not contiguous")
            first, shape, step = places[name].word, array.shape, 0
            if name not in arrays.common:
                shape, step = shape[1:], array.strides[0] if len(array) > 1 else 0
            self._words[:, first] = array.ctypes.data + step * np.arange(rows)
            self._words[:, first + 1 : first + 1 + len(shape)] = shape


@cache
def _table_type(arrays: type[Any], fields: tuple[tuple[np.dtype[Any], int], ...]) -> TableType:
    places, word = {}, 0
    for name, (dtype, dimensions) in zip(arrays._fields, fields, strict=True):
        places[name] = Place(word, types.Array(from_dtype(dtype), dimensions, "C"))
        word += 1 + dimensions
    return TableType(RowType(arrays.__name__, places))


def row(batch, b):
    """The arrays of instance b of a batch, sharing memory with the batch's."""
    of = (a if name in batch.common else a[min(b, len(a) - 1)] for name, a in batch._asdict().items())
    return type(batch)(*of)


# for numba ------------------------------------------------------------------------------------------------------------


@typeof_impl.register(Table)
def _typeof(table: Table, _: Any) -> TableType:
    return table.type


@register_model(TableType)
class _TableModel(models.OpaqueModel):
    """The address of its first row."""


def _layout(row_type: RowType) -> ir.Type:
    words = ((cgutils.voidptr_t, *[NUMBER] * place.type.ndim) for place in row_type.places.values())
    return ir.LiteralStructType([word for of_array in words for word in of_array])


@register_model(RowType)
class _RowModel(models.OpaqueModel):
    """The address of a copy in the function's own memory, which the compiler knows that nobody else writes to. Calls
    hand the words over, as one argument."""

    def __init__(self, manager: Any, row_type: RowType) -> None:
        super().__init__(manager, row_type)
        self._words = _layout(row_type)

    def get_argument_type(self) -> ir.Type:
        return self._words

    def as_argument(self, builder: Any, address: Any) -> Any:
        return builder.load(builder.bitcast(address, self._words.as_pointer()))

    def from_argument(self, builder: Any, words: Any) -> Any:
        return builder.bitcast(cgutils.alloca_once_value(builder, words), cgutils.voidptr_t)

    get_return_type, as_return, from_return = get_argument_type, as_argument, from_argument


@unbox(TableType)
def _unbox(_: TableType, table: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(table, "address")
    address = c.builder.inttoptr(c.pyapi.long_as_ulonglong(number), cgutils.voidptr_t)
    c.pyapi.decref(number)
    return NativeValue(address, is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


@infer_getattr
class _RowAttribute(AttributeTemplate):
    key = RowType

    def generic_resolve(self, row_type: RowType, name: str) -> types.Array | None:
        place = row_type.places.get(name)
        return place.type if place else None


@lower_getattr_generic(RowType)
def _get_array(context: Any, builder: Any, row_type: RowType, address: Any, name: str) -> Any:
    place = row_type.places[name]
    words = builder.bitcast(address, _layout(row_type).as_pointer())

    def load(word: int) -> Any:
        return builder.load(cgutils.gep_inbounds(builder, words, 0, word))

    shape = [load(place.word + 1 + axis) for axis in range(place.type.ndim)]
    size = ir.Constant(NUMBER, context.get_abi_sizeof(context.get_data_type(place.type.dtype)))
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(place.type)(context, builder)
    data = builder.bitcast(load(place.word), array.data.type)
    populate_array(array, data, shape, strides, size, meminfo=None)
    return array._getvalue()


@intrinsic
def _row(typing, batch, b):
    def generate(context, builder, signature, arguments):
        rows = builder.bitcast(arguments[0], _layout(batch.row).as_pointer())
        return context.data_model_manager[batch.row].from_argument(
            builder, builder.load(builder.gep(rows, [arguments[1]]))
        )

    return batch.row(batch, types.intp), generate


@overload(row, jit_options={"forceinline": True})
def _compile_row(batch, b):
    return lambda batch, b: _row(batch, b)
