# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the numbers of a class image mean, as vision_msgs says it where that is installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Header


@dataclass(frozen=True)
class LabelInfoTypes:
    """Hold the message classes of vision_msgs/LabelInfo and vision_msgs/VisionClass."""

    label_info: Any
    vision_class: Any


def label_info_types() -> LabelInfoTypes | None:
    """Return the classes of vision_msgs, None where it is not installed or too old for them."""
    try:
        messages = importlib.import_module('vision_msgs.msg')
    except ImportError:
        return None
    found = [getattr(messages, name, None) for name in ('LabelInfo', 'VisionClass')]
    return None if None in found else LabelInfoTypes(*found)


def label_info_message(
    types: LabelInfoTypes, header: Header, class_names: Sequence[str], threshold: float
) -> Any:
    """Return a LabelInfo: the name of each class id, and the least probability of a class."""
    named = [types.vision_class(class_id=number, class_name=name)
             for number, name in enumerate(class_names)]
    return types.label_info(header=header, class_map=named, threshold=float(threshold))
