# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Quality of service: what outputs have, and what an input takes from the publishers found."""

from __future__ import annotations

from typing import Any

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

INPUT_DEPTH = 10


def latched() -> QoSProfile:
    """Return reliable, transient local, depth 1: late joiners get the last message."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def reliable(depth: int = 2) -> QoSProfile:
    """Return reliable, volatile, with an explicit depth."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST, depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.VOLATILE)


def input_profile(reliability: QoSReliabilityPolicy, depth: int = INPUT_DEPTH) -> QoSProfile:
    """Return the profile of an input subscription: volatile, keep last."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability,
        durability=QoSDurabilityPolicy.VOLATILE)


def chosen_reliability(wanted: str, publishers: list[Any]) -> QoSReliabilityPolicy:
    """Return what ``input_reliability`` asks for, given the endpoint infos of the publishers.

    ``auto`` is reliable where every publisher is; a reliable subscription gets nothing from a
    best-effort publisher, so with a mixture, or none yet, it is best effort.
    """
    if wanted == 'reliable':
        return QoSReliabilityPolicy.RELIABLE
    offered = [info.qos_profile.reliability for info in publishers]
    if wanted == 'auto' and offered and all(
            reliability == QoSReliabilityPolicy.RELIABLE for reliability in offered):
        return QoSReliabilityPolicy.RELIABLE
    return QoSReliabilityPolicy.BEST_EFFORT


def overridable(*, reliability: bool = True) -> QoSOverridingOptions:
    """Return which policies the ``qos_overrides.*`` parameters may set."""
    kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
    if reliability:
        kinds.append(QoSPolicyKind.RELIABILITY)
    return QoSOverridingOptions(kinds)


def reliability_override(ros_node: Any, topic: str) -> bool:
    """Return whether the user overrides the reliability of a subscription by parameter."""
    overrides = getattr(ros_node, '_parameter_overrides', {})
    return f'qos_overrides.{topic}.subscription.reliability' in overrides
