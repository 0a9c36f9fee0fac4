# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parameters of the node and its method: one declaration, ROS descriptors from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
)
from rclpy.parameter import Parameter

from seg_ros.core.options import Options, OptionSpec
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.segmenters import options_type

_LARGEST = 1.7e308
_LARGEST_INT = 2**63 - 1


def descriptor(spec: OptionSpec) -> ParameterDescriptor:
    """Return the ROS descriptor of an option: description, range, choices, what is fixed."""
    message = ParameterDescriptor(name=spec.name, description=_description(spec))
    if spec.choices:
        message.additional_constraints = 'one of: ' + ', '.join(spec.choices)
    if spec.type is tuple:
        message.additional_constraints = f'{len(spec.default)} numbers'
    if spec.type is float and (spec.minimum is not None or spec.maximum is not None):
        message.floating_point_range = [FloatingPointRange(
            from_value=-_LARGEST if spec.minimum is None else float(spec.minimum),
            to_value=_LARGEST if spec.maximum is None else float(spec.maximum), step=0.0)]
    if spec.type is int and (spec.minimum is not None or spec.maximum is not None):
        message.integer_range = [IntegerRange(
            from_value=-_LARGEST_INT if spec.minimum is None else math.ceil(spec.minimum),
            to_value=_LARGEST_INT if spec.maximum is None else math.floor(spec.maximum), step=1)]
    return message


def _description(spec: OptionSpec) -> str:
    return spec.description if spec.live else f'{spec.description} (fixed after configure)'


class NodeParameters:
    """Declare the parameters of a node and its method, check each change and hold the values.

    ``node`` are the NodeOptions, ``method`` the method's options. A change is validated as a
    whole: a bad value, a fixed parameter while ``is_fixed()``, or options of the method for which
    ``accept`` raises ValueError, refuse it with the reason.
    ``on_change`` is called with the names after a change was accepted.
    """

    def __init__(
        self, ros_node: Any, is_fixed: Callable[[], bool], on_change: Callable[[set[str]], None],
        accept: Callable[[Options], None] = lambda _: None,
    ) -> None:
        self._ros_node = ros_node
        self._is_fixed = is_fixed
        self._on_change = on_change
        self._accept = accept
        self._declaring = True
        self.node = NodeOptions(**self._declare(NodeOptions.specs()))
        self._method_names: list[str] = []
        self.method: Options = Options()
        self._method_declared = ''
        self._declare_method()
        self._declaring = False
        ros_node.add_on_set_parameters_callback(self._check)

    def use_method(self) -> None:
        """Declare the options of the method now chosen, if it changed."""
        if self._method_declared == self.node.method:
            return
        self._declaring = True
        try:
            for name in self._method_names:
                self._ros_node.undeclare_parameter(name)
            self._method_names = []
            self._declare_method()
        finally:
            self._declaring = False

    def _declare_method(self) -> None:
        kind = options_type(self.node.method)
        taken = {spec.name for spec in NodeOptions.specs()} & {s.name for s in kind.specs()}
        if taken:
            raise ValueError(f'method {self.node.method} has options named as the node: {taken}')
        values = self._declare(kind.specs())
        self._method_names = list(values)
        self.method = kind(**values)
        self._method_declared = self.node.method

    def _declare(self, specs: Iterable[OptionSpec]) -> dict[str, Any]:
        return {spec.name: self._declare_one(spec) for spec in specs}

    def _declare_one(self, spec: OptionSpec) -> Any:
        """Declare a parameter and return its value; ValueError where the override is not accepted.

        A whole number given for a floating-point parameter is taken: rclpy alone refuses `10`.
        """
        overrides = getattr(self._ros_node, '_parameter_overrides', {})
        given = overrides.get(spec.name)
        if given is not None:
            overrides[spec.name] = _with_floats(spec, given)
            _checked(spec, given.value)
        try:
            default = list(spec.default) if spec.type is tuple else spec.default
            value = self._ros_node.declare_parameter(
                spec.name, default, descriptor(spec)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise ValueError(f'parameter {spec.name}: {error}') from error
        except ParameterAlreadyDeclaredException:
            raise ValueError(f'parameter {spec.name} is declared twice') from None
        return spec.checked(value)

    def _check(self, changes: list[Parameter]) -> SetParametersResult:
        """Check a set of changes and take them over if all are good."""
        if self._declaring:
            return SetParametersResult(successful=True)
        try:
            node, method, names = self._changed(changes)
            self._accept(method)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.node, self.method = node, method
        if names:
            self._on_change(names)
        return SetParametersResult(successful=True)

    def _changed(self, changes: list[Parameter]) -> tuple[NodeOptions, Options, set[str]]:
        specs = {s.name: s for s in (*self.node.specs(), *self.method.specs())}
        ours = {change.name: change.value for change in changes if change.name in specs}
        for name, value in ours.items():
            _checked(specs[name], value)
            if not specs[name].live and self._is_fixed():
                raise ValueError(
                    f'{name} is fixed after configure: clean the node up (lifecycle transition '
                    'cleanup), set it, configure again'
                )
        if 'method' in ours:
            options_type(ours['method'])
        own = {spec.name for spec in self.node.specs()}
        node = self.node.replaced(**{n: v for n, v in ours.items() if n in own})
        method = self.method.replaced(**{n: v for n, v in ours.items() if n not in own})
        return node, method, set(ours)


def _with_floats(spec: OptionSpec, given: Parameter) -> Parameter:
    """Return an override whose whole numbers are floats where the option's are."""
    if spec.type is float and given.type_ == Parameter.Type.INTEGER:
        return Parameter(spec.name, Parameter.Type.DOUBLE, float(given.value))
    of_floats = spec.type is tuple and spec.number.type is float
    if of_floats and given.type_ == Parameter.Type.INTEGER_ARRAY:
        return Parameter(spec.name, Parameter.Type.DOUBLE_ARRAY, [float(n) for n in given.value])
    return given


def _as_text(spec: OptionSpec, value: Any) -> str:
    """Return how to write a word that YAML reads as a number or truth value, else ''."""
    if spec.type is not str or not isinstance(value, (bool, int, float)):
        return ''
    return f": write it as '{value}' in YAML, as \"'{value}'\" in a shell"


def _checked(spec: OptionSpec, value: Any) -> None:
    """Raise ValueError for a value that a parameter of the option cannot take."""
    if spec.type is tuple:
        spec.checked(value)
        return
    whole_for_float = spec.type is float and type(value) is int
    if type(value) is not spec.type and not whole_for_float:
        raise ValueError(
            f'{spec.name} is {value!r}, a value of type {spec.type.__name__} is accepted'
            + _as_text(spec, value)
        )
    spec.checked(value)
