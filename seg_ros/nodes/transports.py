# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Raw and compressed images behind one call: topics as image_transport names them, and pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seg_ros.nodes.compressed import color_from_compressed, depth_from_compressed
from seg_ros.nodes.conversions import color_from_image, depth_from_image

if TYPE_CHECKING:
    # Types only: bags are read by this module on machines without ROS.
    from sensor_msgs.msg import CompressedImage, Image


def transport_input(ros_node: Any, base: str, transport: str) -> tuple[type, str]:
    """Return message type and topic of an image input.

    A compressed image comes on the base topic's resolved name and '/' and the transport, so that a
    remapping of the base holds for it, as with image_transport.
    """
    from sensor_msgs.msg import CompressedImage, Image

    if transport == 'raw':
        return Image, base
    return CompressedImage, f'{ros_node.resolve_topic_name(base)}/{transport}'


def color_of(message: Image | CompressedImage) -> npt.NDArray[np.uint8]:
    """Return a colour message, raw or compressed, as (H, W, 3) uint8 RGB; ValueError for bad."""
    return color_from_compressed(message) if _is_compressed(message) else color_from_image(message)


def depth_of(message: Image | CompressedImage) -> npt.NDArray[np.float32]:
    """Return a depth message, raw or compressed, as (H, W) float32 metres; ValueError for bad."""
    return depth_from_compressed(message) if _is_compressed(message) else depth_from_image(message)


def describe_pixels(message: Image | CompressedImage, pixels: npt.NDArray[Any]) -> str:
    """Return '16UC1 640x480' of a message and its pixels, as error texts name it."""
    kind = message.format if _is_compressed(message) else message.encoding
    return f'{kind} {pixels.shape[1]}x{pixels.shape[0]}'


def _is_compressed(message: Any) -> bool:
    return hasattr(message, 'format')
