# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a detector says of a frame, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from seg_ros.core.results import Candidates, Instances
from seg_ros.mask_rcnn.masks import MIN_VISIBLE, full_masks, label_image


@dataclass(frozen=True, eq=False)
class Detections:
    """Hold what a detector says of a frame, by falling score.

    ``boxes`` (K, 4) x1, y1, x2, y2 in pixels of the frame, ``masks`` (K, m, m) probabilities
    inside them, ``scores`` (K,), ``class_ids`` (K,) indices into the class names.
    """

    boxes: npt.NDArray[np.float32]
    masks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]

    @classmethod
    def of_output(
        cls, output: Mapping[str, Tensor], scale: npt.ArrayLike = (1.0, 1.0)
    ) -> Detections:
        """Take a detector's output for an image; ``scale`` (x, y) leads boxes to the frame."""
        arrays = {name: value.float().cpu().numpy() for name, value in output.items()}
        factors = np.tile(np.asarray(scale, np.float32), 2)
        return cls(arrays['boxes'] * factors, arrays['masks'][:, 0], arrays['scores'],
                   arrays['labels'].astype(np.int32) - 1)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Detections:
        """Return the chosen rows."""
        return Detections(
            self.boxes[index], self.masks[index], self.scores[index], self.class_ids[index])

    def instances(
        self, shape: tuple[int, int], class_names: tuple[str, ...], *, threshold: float = 0.5,
        min_visible: float = MIN_VISIBLE,
    ) -> Instances:
        """Return objects that share the pixels of an image (H, W), by falling score."""
        labels, kept = label_image(
            self.boxes, self.masks, self.scores, shape, threshold=threshold,
            min_visible=min_visible)
        ids = np.arange(1, len(kept) + 1, dtype=np.int32)
        return Instances(labels, self.scores[kept], self.class_ids[kept], ids, class_names)

    def candidates(
        self, shape: tuple[int, int], class_names: tuple[str, ...], threshold: float = 0.5
    ) -> Candidates:
        """Return all objects with masks of an image (H, W), which overlap."""
        masks = full_masks(self.boxes, self.masks, shape, threshold)
        return Candidates(masks, self.boxes, self.scores, self.class_ids, class_names)
