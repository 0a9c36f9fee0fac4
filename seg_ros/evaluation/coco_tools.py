# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""pycocotools, imported where it is used, and masks as its run lengths."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Rle = dict[str, Any]

_MISSING = 'COCO needs the package pycocotools: pip install "seg_ros[coco]"'


def mask_tools() -> ModuleType:
    """Return pycocotools.mask; ImportError says what to install."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return mask


def coco_class() -> Any:
    """Return pycocotools' class COCO; ImportError says what to install."""
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return COCO


def coco_eval_class() -> Any:
    """Return pycocotools' class COCOeval; ImportError says what to install."""
    try:
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return COCOeval


def rles_of_masks(masks: npt.NDArray[np.bool_]) -> list[Rle]:
    """Return the compressed run lengths of masks (K, H, W) bool."""
    encode = mask_tools().encode
    return [encode(np.asfortranarray(mask, np.uint8)) for mask in masks]


def rles_of_labels(labels: npt.NDArray[np.integer], count: int) -> list[Rle]:
    """Return the compressed run lengths of the objects 1..count of labels (H, W).

    All runs are found in one pass, so that thousands of objects need no mask each.
    """
    height, width = labels.shape
    tools = mask_tools()
    flat = labels.ravel(order='F')
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    ends = np.append(starts[1:], flat.size)
    order = np.argsort(flat[starts], kind='stable')
    parts = np.searchsorted(flat[starts][order], np.arange(1, count + 2))
    found = []
    for first, last in zip(parts[:-1], parts[1:], strict=True):
        mine = order[first:last]
        edges = np.stack([starts[mine], ends[mine]], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=flat.size)
        if counts[-1] == 0:  # the last run is the object's: no zeros follow
            counts = counts[:-1]
        found.append(tools.frPyObjects(
            {'size': [height, width], 'counts': counts.tolist()}, height, width))
    return found
