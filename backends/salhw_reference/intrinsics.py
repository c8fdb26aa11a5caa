"""What numba has no words for, in LLVM's: fetching ahead, numbers that several threads change, leaving the processor.

By numba's public ``intrinsic`` and ``overload``. Where numba is switched off, the plain functions run.
"""

from __future__ import annotations

import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

HAS_USLEEP = sys.platform != "win32"  # of the C library
INT32 = ir.IntType(32)


def prefetch(array, index):
    """Let the processor fetch what lies at ``index`` of an array into its cache; a hint, that changes nothing."""


def fetch_add(array, index, value):
    """Add to an entry of an array at once, whoever else does; what it was before."""
    old = array[index]
    array[index] += value
    return old


def look(array, index):
    """An entry of an array that other threads write to."""
    return array[index]


def sleep(microseconds):
    """Leave the processor for about so long."""


def _address(context, builder, signature, arguments):
    """The address of an entry of a one-dimensional array, (array, index, ...)."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def _prefetch(typing, array, index):
    def generate(context, builder, signature, arguments):
        address = builder.bitcast(_address(context, builder, signature, arguments), cgutils.voidptr_t)
        hint = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, INT32, INT32, INT32])
        function = cgutils.get_or_insert_function(builder.module, hint, "llvm.prefetch.p0")
        to_read, into_all_caches, data = (ir.Constant(INT32, value) for value in (0, 3, 1))
        builder.call(function, [address, to_read, into_all_caches, data])
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
def _fetch_add(typing, array, index, value):
    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", _address(context, builder, signature, arguments), arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def _look(typing, array, index):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_address(context, builder, signature, arguments), "seq_cst", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def _sleep(typing, microseconds):
    def generate(context, builder, signature, arguments):
        usleep = cgutils.get_or_insert_function(builder.module, ir.FunctionType(INT32, [INT32]), "usleep")
        builder.call(usleep, [builder.trunc(arguments[0], INT32)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@overload(prefetch)
def _compile_prefetch(array, index):
    return lambda array, index: _prefetch(array, index)


@overload(fetch_add)
def _compile_fetch_add(array, index, value):
    return lambda array, index, value: _fetch_add(array, index, value)


@overload(look)
def _compile_look(array, index):
    return lambda array, index: _look(array, index)


@overload(sleep)
def _compile_sleep(microseconds):
    return (lambda microseconds: _sleep(microseconds)) if HAS_USLEEP else (lambda microseconds: None)
