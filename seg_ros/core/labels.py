# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Operations on label images."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def nearest_label(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Give every pixel of labels (H, W) the label of the nearest one above 0; all 0 stays."""
    known = labels > 0
    if not known.any():
        return np.zeros(labels.shape, np.int32)
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    of = np.zeros(int(nearest.max()) + 1, np.int32)
    of[nearest[known]] = labels[known]
    return of[nearest]
