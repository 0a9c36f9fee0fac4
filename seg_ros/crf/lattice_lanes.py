# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Eight float32 numbers at once in functions that numba compiles.

Inner loops over a run-time number of labels are compiled to code that first asks whether arrays
overlap and then, often, takes one label after the other. These functions state the SIMD code:
``lanes`` values live in one register (two where registers are of 128 bits).
"""

from __future__ import annotations

from collections.abc import Callable
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
    """The type of eight float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name='Float32x8')


lanes = LanesType()
# Untyped: its functions are called without the first parameter that they are declared with.
_inlined: Any = intrinsic


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _FLOATS)


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


def _place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    data = arrayobj.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), _FLOATS.as_pointer())


def _folded(builder: Any, value: Any, joined: Callable[[Any, Any], Any]) -> Any:
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    for half in (4, 2, 1):
        turned = ir.Constant(_INTS, [(lane + half) % LANES for lane in range(LANES)])
        value = joined(value, builder.shuffle_vector(value, undefined, turned))
    return value


def _arithmetic(count: int, made: Callable[..., Any]) -> Any:
    """Return the generator of a function of ``count`` lanes."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return made(builder, *arguments)

    return lanes(*[lanes] * count), generate


@_inlined
def load(typing: Any, array: Any, offset: Any) -> Any:
    """Return the eight numbers from ``offset`` (uint64) on of a contiguous float32 array."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_place(context, builder, signature.args[0], *arguments))
        value.align = 4
        return value

    return lanes(array, types.uint64), generate


@_inlined
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write eight numbers from ``offset`` (uint64) on of a contiguous float32 array."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place).align = 4
        return context.get_dummy_value()

    return types.void(array, types.uint64, lanes), generate


@_inlined
def spread(typing: Any, value: Any) -> Any:
    """Return a float32 in every lane."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        undefined = ir.Constant(_FLOATS, ir.Undefined)
        first = builder.insert_element(undefined, arguments[0], _INT(0))
        return builder.shuffle_vector(first, undefined, _whole(0))

    return lanes(types.float32), generate


@_inlined
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once where the machine can."""
    return _arithmetic(3, _fused)


@_inlined
def plus(typing: Any, a: Any, b: Any) -> Any:
    """Return a + b."""
    return _arithmetic(2, lambda builder, a, b: builder.fadd(a, b))


@_inlined
def minus(typing: Any, a: Any, b: Any) -> Any:
    """Return a - b."""
    return _arithmetic(2, lambda builder, a, b: builder.fsub(a, b))


@_inlined
def times(typing: Any, a: Any, b: Any) -> Any:
    """Return a * b."""
    return _arithmetic(2, lambda builder, a, b: builder.fmul(a, b))


@_inlined
def higher(typing: Any, a: Any, b: Any) -> Any:
    """Return the higher of a and b, lane by lane."""
    return _arithmetic(2, _highest)


@_inlined
def highest(typing: Any, value: Any) -> Any:
    """Return the highest of the lanes in every lane."""
    return _arithmetic(1, lambda builder, value: _folded(
        builder, value, lambda a, b: _highest(builder, a, b)))


@_inlined
def total(typing: Any, value: Any) -> Any:
    """Return the sum of the lanes in every lane."""
    return _arithmetic(1, lambda builder, value: _folded(builder, value, builder.fadd))


@_inlined
def inverse(typing: Any, value: Any) -> Any:
    """Return 1 / value."""
    return _arithmetic(1, lambda builder, value: builder.fdiv(_constant(1), value))


@_inlined
def exponential(typing: Any, value: Any) -> Any:
    """Return exp of values up to 0, relative error 2e-7; below -60 that of -60."""
    return _arithmetic(1, _exponential)


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
