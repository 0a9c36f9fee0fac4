# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node's parameters of frames and regions; no ROS here."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import Options, option
from seg_ros.core.regions import Regions


@dataclass(frozen=True)
class SpaceOptions(Options):
    """Parameters of where results are placed in space, and of where objects are looked for."""

    target_frame: str = option(
        '', "TF frame of ~/poses, ~/markers, ~/points and ~/support_planes, as the robot's base; "
        "transformed at the image's stamp. Empty: the camera's frame, in which images stay")
    tf_timeout: float = option(
        0.1, "Longest wait in seconds for the transform at an image's stamp, since that image "
        'arrived', minimum=0.0, maximum=10.0)
    tf_fallback: str = option(
        'camera', "What becomes of a frame whose transform did not come: its outputs in space are "
        "published in the camera's frame, or left out", choices=('camera', 'skip'))
    roi_image: tuple[int, int, int, int] = option(
        (0, 0, 0, 0), 'Part of the image [x, y, width, height] in pixels in which objects are '
        'wanted: those with at least half of their pixels in it; all zero: the whole image',
        minimum=0, maximum=100_000)
    roi_mode: str = option(
        'mask', 'How roi_image is used. mask: the whole image is segmented and results outside '
        'are left out. crop: only this part is segmented, which is faster and shows the method '
        'nothing else', choices=('mask', 'crop'))
    workspace: tuple[float, float, float, float, float, float] = option(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 'Part of space [xmin, xmax, ymin, ymax, zmin, zmax] in '
        'metres in which objects are wanted: those with at least half of their points in it; all '
        'zero: all of space', minimum=-1000.0, maximum=1000.0)
    workspace_frame: str = option(
        '', "TF frame of workspace; empty: target_frame, or the camera's frame without one. A "
        'frame that cannot be placed in it is dropped: nobody knows what is in the workspace')
    max_depth: float = option(
        0.0, 'Farthest depth of objects in metres along the optical axis: those with at least '
        'half of their points nearer are wanted; 0: any', minimum=0.0, maximum=1000.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        # Its checks are those of the parameters together.
        self.regions()

    def regions(self) -> Regions:
        """Return where objects are wanted; ValueError for an empty region."""
        return Regions(self.roi_image, self.workspace, self.max_depth)

    def frame_of_workspace(self) -> str:
        """Return the frame in which the workspace is given, '' for the camera's."""
        return self.workspace_frame or self.target_frame

    def needs_transforms(self) -> bool:
        """Return whether any frame but the camera's is asked for."""
        return bool(self.target_frame or self.workspace_frame)
