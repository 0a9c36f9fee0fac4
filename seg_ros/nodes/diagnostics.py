# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node's state as diagnostics."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


def status_message(
    name: str, problems: list[tuple[bytes, str]], values: dict[str, Any]
) -> DiagnosticStatus:
    """Return a status: the worst level, all problems as text, values as strings."""
    level = max((level for level, _ in problems), default=DiagnosticStatus.OK)
    text = '; '.join(text for _, text in problems) or 'segmenting'
    pairs = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=text, hardware_id='seg_ros',
                            values=pairs)


def array_message(stamp: Any, status: DiagnosticStatus) -> DiagnosticArray:
    """Return a status as an array with its header's stamp."""
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message


def _text(value: Any) -> str:
    return f'{value:.2f}' if isinstance(value, float) else str(value)
