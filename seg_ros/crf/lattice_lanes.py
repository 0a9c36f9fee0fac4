# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A pixel's labels at once, groups of eight float32 numbers, in functions that numba compiles.

Inner loops over a run-time number of labels are compiled to code that first asks whether arrays
overlap and then, often, takes one label after the other. These functions state the SIMD code: a
``lanes`` value is of a few groups, each in a register (two where registers are of 128 bits).
Where a function makes one of nothing, a tuple of as many integers says how many groups.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model
from numba.np import arrayobj

ir = cgutils.ir  # llvmlite's, which comes with numba
LANES = 8
# exp is not taken of less: its results, and their products with weights, stay normal numbers.
LEAST_EXPONENT = -60.0

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)


class LanesType(types.Type):  # type: ignore[misc]
    """The type of groups of eight float32 numbers."""

    def __init__(self, groups: int) -> None:
        self.groups = groups
        super().__init__(name=f'Float32x8x{groups}')


# Untyped: its functions are called without the first parameter that they are declared with.
_inlined: Any = intrinsic


@lru_cache
def _lanes(groups: int) -> LanesType:
    return LanesType(groups)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.ArrayType(_FLOATS, fe_type.groups))


def _split(builder: Any, value: Any) -> list[Any]:
    """Return the groups of lanes."""
    return [builder.extract_value(value, group) for group in range(value.type.count)]


def _packed(builder: Any, groups: list[Any]) -> Any:
    value = ir.Constant(ir.ArrayType(_FLOATS, len(groups)), ir.Undefined)
    for number, group in enumerate(groups):
        value = builder.insert_value(value, group, number)
    return value


def _constant(value: float) -> Any:
    return ir.Constant(_FLOATS, [float(np.float32(value))] * LANES)


def _whole(value: int) -> Any:
    return ir.Constant(_INTS, [value] * LANES)


def _called(builder: Any, name: str, *values: Any) -> Any:
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(values))
    return builder.call(
        cgutils.get_or_insert_function(builder.module, kind, f'llvm.{name}.v{LANES}f32'), values)


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return _called(builder, 'fmuladd', a, b, c)


def _highest(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered('>', a, b), a, b)


def _spread(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, value, _INT(0))
    return builder.shuffle_vector(first, undefined, _whole(0))


def _place(context: Any, builder: Any, kind: Any, array: Any, offset: Any, group: int) -> Any:
    data = arrayobj.make_array(kind)(context, builder, array).data
    start = builder.add(offset, offset.type(LANES * group))
    return builder.bitcast(builder.gep(data, [start]), _FLOATS.as_pointer())


def _folded(builder: Any, value: Any, joined: Callable[[Any, Any], Any]) -> Any:
    """Return all numbers of lanes joined to one."""
    groups = _split(builder, value)
    while len(groups) > 1:
        groups = [joined(groups[0], groups[1]), *groups[2:]]
    value, undefined = groups[0], ir.Constant(_FLOATS, ir.Undefined)
    for half in (4, 2, 1):
        turned = ir.Constant(_INTS, [(lane + half) % LANES for lane in range(LANES)])
        value = joined(value, builder.shuffle_vector(value, undefined, turned))
    return builder.extract_element(value, _INT(0))


def _by_group(values: tuple[Any, ...], made: Callable[..., Any]) -> Any:
    """Return the result and the generator of a function that is applied to each group."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        split = [_split(builder, value) for value in arguments]
        return _packed(builder, [made(builder, *each) for each in zip(*split, strict=True)])

    return values[0](*values), generate


@_inlined
def load(typing: Any, groups: Any, array: Any, offset: Any) -> Any:
    """Return the numbers from ``offset`` (uint64) on of a contiguous float32 array."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start = arguments
        loaded = []
        for group in range(len(groups)):
            value = builder.load(_place(context, builder, array, data, start, group))
            value.align = 4
            loaded.append(value)
        return _packed(builder, loaded)

    return _lanes(len(groups))(groups, array, types.uint64), generate


@_inlined
def load_some(typing: Any, groups: Any, array: Any, offset: Any, count: Any, rest: Any) -> Any:
    """Return ``count`` numbers (uint32), as ``load`` does, and ``rest`` (float32) beyond them."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, data, start, many, other = arguments
        wanted = _spread(builder, many)
        kind = ir.FunctionType(_FLOATS, [
            _FLOATS.as_pointer(), _INT, ir.VectorType(ir.IntType(1), LANES), _FLOATS])
        masked = cgutils.get_or_insert_function(
            builder.module, kind, f'llvm.masked.load.v{LANES}f32.p0v{LANES}f32')
        loaded = []
        for group in range(len(groups)):
            numbers = ir.Constant(_INTS, [LANES * group + lane for lane in range(LANES)])
            mask = builder.icmp_unsigned('<', numbers, wanted)
            place = _place(context, builder, array, data, start, group)
            loaded.append(builder.call(masked, [place, _INT(4), mask, _spread(builder, other)]))
        return _packed(builder, loaded)

    return _lanes(len(groups))(
        groups, array, types.uint64, types.uint32, types.float32), generate


@_inlined
def prefetch(typing: Any, array: Any, offset: Any) -> Any:
    """Ask for the cache line of one number, which will be read soon."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = arrayobj.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, _INT, _INT, _INT])
        asked = cgutils.get_or_insert_function(builder.module, kind, 'llvm.prefetch.p0i8')
        builder.call(asked, [place, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@_inlined
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write numbers from ``offset`` (uint64) on of a contiguous float32 array."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, start, given = arguments
        for group, each in enumerate(_split(builder, given)):
            place = _place(context, builder, array, data, start, group)
            builder.store(each, place).align = 4
        return context.get_dummy_value()

    return types.void(array, types.uint64, value), generate


@_inlined
def spread(typing: Any, groups: Any, value: Any) -> Any:
    """Return a float32 in every lane."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _packed(builder, [_spread(builder, arguments[1])] * len(groups))

    return _lanes(len(groups))(groups, types.float32), generate


@_inlined
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once where the machine can."""
    return _by_group((a, b, c), _fused)


@_inlined
def plus(typing: Any, a: Any, b: Any) -> Any:
    """Return a + b."""
    return _by_group((a, b), lambda builder, a, b: builder.fadd(a, b))


@_inlined
def minus(typing: Any, a: Any, b: Any) -> Any:
    """Return a - b."""
    return _by_group((a, b), lambda builder, a, b: builder.fsub(a, b))


@_inlined
def times(typing: Any, a: Any, b: Any) -> Any:
    """Return a * b."""
    return _by_group((a, b), lambda builder, a, b: builder.fmul(a, b))


@_inlined
def highest(typing: Any, value: Any) -> Any:
    """Return the highest of all lanes, a float32."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _folded(builder, arguments[0], lambda a, b: _highest(builder, a, b))

    return types.float32(value), generate


@_inlined
def total(typing: Any, value: Any) -> Any:
    """Return the sum of all lanes, a float32."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _folded(builder, arguments[0], builder.fadd)

    return types.float32(value), generate


@_inlined
def exponential(typing: Any, value: Any) -> Any:
    """Return exp of values up to 0, relative error 2e-7; below -60 that of -60."""
    return _by_group((value,), _exponential)


def _exponential(builder: Any, value: Any) -> Any:
    """exp(x) = 2^n exp(r), |r| <= ln(2) / 2: a polynomial and n added to the exponent's bits."""
    x = _highest(builder, value, _constant(LEAST_EXPONENT))
    n = _called(builder, 'floor', _fused(builder, x, _constant(np.log2(np.e)), _constant(0.5)))
    # ln(2) in two parts, the first of few bits, so that n times it is exact
    r = _fused(builder, n, _constant(-0.693359375), x)
    r = _fused(builder, n, _constant(2.12194440e-4), r)
    y = _constant(1 / 5040)
    for divisor in (720, 120, 24, 6, 2):
        y = _fused(builder, y, r, _constant(1 / divisor))
    y = builder.fadd(_fused(builder, builder.fmul(r, r), y, r), _constant(1))
    bits = builder.shl(builder.add(builder.fptosi(n, _INTS), _whole(127)), _whole(23))
    return builder.fmul(y, builder.bitcast(bits, _FLOATS))
