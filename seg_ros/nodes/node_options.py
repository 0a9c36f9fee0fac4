# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters that every method's node has; no ROS here, so that docs can be made without."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import OptionSpec, borrowed, option
from seg_ros.core.tracking import TrackingOptions
from seg_ros.nodes.space_options import SpaceOptions
from seg_ros.segmenters import DEFAULT_METHOD

LABEL_ENCODINGS = ('mono8', 'mono16', '16UC1', '32SC1')
COLOR_TRANSPORTS = ('raw', 'compressed')
DEPTH_TRANSPORTS = ('raw', 'compressedDepth', 'compressed')


@dataclass(frozen=True)
class NodeOptions(SpaceOptions):
    """Parameters that every method's node has; ``live=False`` ones are fixed after configure."""

    method: str = option(
        DEFAULT_METHOD, 'Segmentation method; its own parameters follow from it', live=False)
    weights: str = option(
        'default', "Weights file, or 'default' for those that ship with the package", live=False)
    device: str = option('auto', 'auto, cpu, cuda or cuda:N', live=False)
    backend: str = option('auto', 'auto, torch, onnxruntime or openvino', live=False)
    autostart: bool = option(
        True, 'Configure and activate at the start, without a lifecycle manager', live=False)
    mode: str = option(
        'continuous', 'continuous: every frame somebody looks at; on_request: ~/segment only',
        choices=('continuous', 'on_request'))
    max_rate: float = option(
        0.0, 'Most frames segmented a second in continuous mode, the newest each time; 0 for as '
        'many as can be. ~/segment does not wait for it', minimum=0.0, maximum=1000.0)
    input_reliability: str = option(
        'auto', 'Reliability of the image subscriptions; auto matches the publishers found',
        choices=('auto', 'best_effort', 'reliable'), live=False)
    input_geometry: str = option(
        'auto', 'Whether input images are rectified; auto: a topic named *rect* is, others are '
        'raw and undistorted by D', choices=('auto', 'rectified', 'raw'), live=False)
    color_transport: str = option(
        'raw', 'How colour comes: raw images, or jpeg and png on the topic TOPIC/compressed',
        choices=COLOR_TRANSPORTS, live=False)
    depth_transport: str = option(
        'raw', 'How depth comes: raw images, png on TOPIC/compressedDepth, or 16-bit png on '
        'TOPIC/compressed', choices=DEPTH_TRANSPORTS, live=False)
    depth: str = option(
        'auto', 'Whether depth is used. auto: it is required by methods that need it; others take '
        'it for boxes, points and poses of objects, or points of classes, while it comes, and go '
        'on with colour alone where it stays away. required: no frame without depth. ignored: '
        'colour alone',
        choices=('auto', 'required', 'ignored'), live=False)
    depth_timeout: float = option(
        0.4, 'Longest wait in seconds for the depth of a colour image where depth may stay away; '
        'more than aligned depth takes to come', minimum=0.05, maximum=10.0)
    sync_slop: float = option(
        0.02, 'Largest difference of colour and depth stamps in seconds', minimum=0.0, maximum=1.0)
    max_frame_age: float = option(
        0.5, 'Oldest frame that ~/segment answers with, in seconds since it arrived',
        minimum=0.01, maximum=60.0)
    segment_timeout: float = option(
        10.0, 'Longest wait of a ~/segment call in seconds', minimum=0.1, maximum=300.0)
    label_encoding: str = option(
        'auto', 'Encoding of ~/label: auto is mono16 for objects, mono8 for classes',
        choices=('auto', *LABEL_ENCODINGS), live=False)
    tracking: bool = option(
        True, 'Whether objects keep their ids, and boxes stand still, over frames; false: ids are '
        '1, 2, ... anew in every frame', live=False)
    track_memory: float = borrowed(TrackingOptions, 'track_memory')
    mask_smoothing: float = borrowed(TrackingOptions, 'mask_smoothing')
    mask_id: int = option(
        0, 'Object id (or class) that ~/mask shows; 0 shows all', minimum=0, maximum=65535)
    organized: bool = option(
        False, 'Whether ~/points keeps the image layout, with NaN off the objects')
    overlay_opacity: float = option(
        0.45, 'Opacity of the masks in ~/overlay', minimum=0.0, maximum=1.0)

    @classmethod
    def specs(cls) -> tuple[OptionSpec, ...]:
        """Return the specification of every option, those declared here first."""
        own = vars(cls)['__annotations__']
        return tuple(sorted(super().specs(), key=lambda spec: spec.name not in own))
