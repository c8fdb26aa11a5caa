"""Many arrays by one address: how a network, its state and its vectors reach compiled code.

A named tuple of forty arrays is some three hundred numbers to numba, each of which is a parameter of every function
that takes the tuple; handing them on took most of the time that compiling took. So addresses and shapes lie in a table,
a row for each instance. Compiled code copies a row into its own memory, where the compiler knows that nothing changes
and keeps what a loop needs in registers, and hands it to functions as one parameter.

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
        words, steps, dimensions, rows, common = list[int](), list[int](), list[int](), 1, arrays.common
        for name, array in zip(arrays._fields, arrays, strict=True):
            if not array.flags.c_contiguous:
                raise ValueError(f"{type(arrays).__name__}.{name} is not contiguous")
            own = int(name not in common)
            shape = array.shape[own:]
            words += array.ctypes.data, *shape
            steps += array.strides[0] if own and len(array) > 1 else 0, *([0] * len(shape))
            dimensions.append(len(shape))
            rows = max(rows, len(array)) if own else rows
        kinds = tuple(array.dtype for array in arrays)
        self.type = _table_type(type(arrays).__name__, arrays._fields, kinds, tuple(dimensions))
        self._words = np.array(words) + np.arange(rows)[:, None] * np.array(steps)
        self.address = self._words.ctypes.data


@cache
def _table_type(
    name: str, fields: tuple[str, ...], kinds: tuple[np.dtype[Any], ...], dimensions: tuple[int, ...]
) -> TableType:
    places, word = {}, 0
    for field, kind, many in zip(fields, kinds, dimensions, strict=True):
        places[field] = Place(word, types.Array(from_dtype(kind), many, "C"))
        word += 1 + many
    return TableType(RowType(name, places))


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

    def generic_resolve(self, row_type: RowType, name: str) -> Any:  # type: ignore[override]  # numba's stub has a constant in its place
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
        words = builder.load(builder.gep(rows, [arguments[1]]))
        return context.data_model_manager[batch.row].from_argument(builder, words)

    return batch.row(batch, types.intp), generate


@overload(row, jit_options={"forceinline": True})
def _compile_row(batch, b):
    return lambda batch, b: _row(batch, b)
