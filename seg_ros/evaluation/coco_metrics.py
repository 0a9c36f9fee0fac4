# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision and recall of COCO (Lin et al., ECCV 2014), by pycocotools' COCOeval."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.results import Candidates, Instances
from seg_ros.evaluation.coco_tools import (
    Rle,
    coco_class,
    coco_eval_class,
    mask_tools,
    rles_of_labels,
    rles_of_masks,
)

FIGURES = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR100')
KINDS = {'box': 'bbox', 'mask': 'segm'}
# What a method calls its objects that knows no classes, and what is no object.
UNNAMED = 'object'
BACKGROUND_NAMES = frozenset({'background', '_background_', '__background__'})


@dataclass(frozen=True, eq=False)
class CocoTruth:
    """Hold the true objects of one frame of (height, width) pixels in rows that share length K.

    ``rles`` are pycocotools' run lengths; ``class_ids`` (K,) start at 1; ``crowd`` (K,) bool
    marks regions in which predictions are neither right nor wrong; ``boxes_xywh`` (K, 4) and
    ``areas`` (K,) are in pixels. Made by ``from_masks`` or ``from_labels``.
    """

    shape: tuple[int, int]
    rles: list[Rle]
    class_ids: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    boxes_xywh: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rles)

    @classmethod
    def from_masks(
        cls,
        masks: npt.NDArray[np.bool_],
        class_ids: npt.ArrayLike | None = None,
        crowd: npt.ArrayLike | None = None,
        *,
        boxes_xywh: npt.ArrayLike | None = None,
        areas: npt.ArrayLike | None = None,
    ) -> CocoTruth:
        """Take masks (K, H, W) bool, which may overlap; ValueError for other shapes.

        Without class ids all are of class 1, without ``crowd`` none is one; boxes (x, y, w, h)
        and areas are those of the masks unless the data set has its own.
        """
        if masks.ndim != 3 or masks.dtype != np.bool_:
            raise ValueError(f'masks must be (K, H, W) bool, got {masks.shape} {masks.dtype}')
        shape = (masks.shape[1], masks.shape[2])
        return _truth(shape, rles_of_masks(masks), class_ids, crowd, boxes_xywh, areas)

    @classmethod
    def from_labels(
        cls, labels: npt.NDArray[np.integer], class_ids: npt.ArrayLike | None = None
    ) -> CocoTruth:
        """Take labels (H, W), 0 background; ``class_ids`` (K,) by ascending label."""
        if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f'labels must be (H, W) integers, got {labels.shape} {labels.dtype}')
        if labels.min(initial=0) < 0:
            raise ValueError(f'labels start at 0, got {labels.min()}')
        values, compact = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
        compact = compact[:-1].reshape(labels.shape)
        rles = rles_of_labels(compact, len(values) - 1)
        return _truth((labels.shape[0], labels.shape[1]), rles, class_ids)


def _truth(
    shape: tuple[int, int],
    rles: list[Rle],
    class_ids: npt.ArrayLike | None,
    crowd: npt.ArrayLike | None = None,
    boxes_xywh: npt.ArrayLike | None = None,
    areas: npt.ArrayLike | None = None,
) -> CocoTruth:
    """Fill in what is left out; ValueError where lengths differ or a class id is below 1."""
    count = len(rles)
    truth = CocoTruth(
        shape, rles,
        np.ones(count, np.int32) if class_ids is None else np.asarray(class_ids, np.int32),
        np.zeros(count, bool) if crowd is None else np.asarray(crowd, bool),
        _boxes_of(rles) if boxes_xywh is None else np.asarray(boxes_xywh, np.float64),
        _areas_of(rles) if areas is None else np.asarray(areas, np.float64))
    shapes = {'class_ids': (count,), 'crowd': (count,), 'boxes_xywh': (count, 4),
              'areas': (count,)}
    for name, expected in shapes.items():
        if getattr(truth, name).shape != expected:
            raise ValueError(f'{count} true objects need {name} of shape {expected}, got '
                             f'{getattr(truth, name).shape}')
    if truth.class_ids.min(initial=1) < 1:
        raise ValueError(f'class ids start at 1, got {truth.class_ids.tolist()}')
    return truth


def _boxes_of(rles: list[Rle]) -> npt.NDArray[np.float64]:
    """Return the boxes (K, 4) x, y, w, h of masks; (0, 0, 0, 0) for an empty one."""
    boxes = mask_tools().toBbox(rles) if rles else []
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _areas_of(rles: list[Rle]) -> npt.NDArray[np.float64]:
    return np.asarray(mask_tools().area(rles) if rles else [], np.float64)


@dataclass(frozen=True)
class ClassMatch:
    """Say whether classes are told apart, why, and which names have no counterpart."""

    aware: bool
    reason: str
    only_truth: tuple[str, ...]
    only_results: tuple[str, ...]


class CocoScores:
    """Gather true and predicted objects frame by frame and score them together.

    ``class_names[class_id - 1]`` names a class of the truth; predictions are matched to it by
    name. ``class_aware`` None: classes are told apart where the truth and the predictions name
    some in common, else ignored. Only run lengths are kept.
    """

    def __init__(
        self, class_names: Sequence[str] = (), *, class_aware: bool | None = None
    ) -> None:
        """Start without frames; ImportError without pycocotools, ValueError for double names."""
        mask_tools()
        if len(set(class_names)) != len(class_names):
            raise ValueError(f'class names must be distinct, got {list(class_names)}')
        if class_aware and not class_names:
            raise ValueError('to tell classes apart the truth must name some: give class_names')
        self.class_names = tuple(class_names)
        self._wanted = class_aware
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []
        self._result_names: dict[str, None] = {}

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._images)

    def add(
        self,
        truth: CocoTruth,
        predicted: Instances,
        *,
        masks: npt.NDArray[np.bool_] | None = None,
        scores: npt.ArrayLike | None = None,
        boxes_xyxy: npt.ArrayLike | None = None,
    ) -> None:
        """Add one frame.

        The rows of ``predicted`` are scored by the pixels of its label image, in which each
        pixel has one object; ``masks`` (K, H, W) bool that overlap, ``scores`` (K,) and
        ``boxes_xyxy`` (K, 4) pixels, x2 and y2 exclusive, take the place of its own. A row
        without a pixel and without a given box predicts nothing; a NaN score is the lowest.
        ValueError for sizes that differ and class ids without a name: nothing of the frame is
        kept then.
        """
        _check_sizes(truth, predicted, masks)
        if self.class_names and truth.class_ids.max(initial=1) > len(self.class_names):
            raise ValueError(f'class id {truth.class_ids.max()}, but the classes are '
                             f'{len(self.class_names)}')
        found = _predictions(predicted, masks, scores, boxes_xyxy)
        image = {'id': len(self._images) + 1, 'height': truth.shape[0], 'width': truth.shape[1]}
        self._images.append(image)
        self._truth += [{'image_id': image['id'], **entry} for entry in _entries(truth)]
        self._found += [{'image_id': image['id'], **entry} for entry in found]
        self._result_names |= dict.fromkeys(
            name for name in predicted.class_names if name.lower() not in BACKGROUND_NAMES)

    def add_candidates(self, truth: CocoTruth, found: Candidates) -> None:
        """Add one frame of a detector's overlapping objects; errors as ``add`` has them."""
        rows = Instances(
            np.zeros(found.masks.shape[1:], np.int32), found.scores, found.class_ids,
            np.arange(1, len(found) + 1, dtype=np.int32), found.class_names)
        self.add(truth, rows, masks=found.masks, boxes_xyxy=found.boxes_xyxy)

    def classes(self) -> ClassMatch:
        """Return how classes are treated, as far as frames were added."""
        theirs = [name for name in self._result_names if name != UNNAMED]
        common = set(self.class_names) & set(self._result_names)
        aware, reason = self._wanted, 'as asked for'
        if aware is None:
            aware, reason = False, 'the data set and the results have no class name in common'
            if not self.class_names:
                reason = 'the data set names no classes'
            elif not theirs:
                reason = 'the results name no classes'
            elif common:
                aware, reason = True, 'matched by name'
        named = bool(self.class_names and theirs)
        return ClassMatch(
            aware, reason,
            tuple(name for name in self.class_names if named and name not in common),
            tuple(name for name in self._result_names if named and name not in common))

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Return AP, AP50, AP75, APs, APm, APl and AR100 of 'box' and 'mask'.

        AP is the mean over classes, IoU .50:.05:.95 and 101 recalls, with at most 100 objects a
        frame; s, m, l are objects below 32^2, to 96^2 and above, in pixels. None where there is
        no true object to find. Predictions of a class that the truth lacks do not count.
        """
        aware = self.classes().aware
        numbers = {name: number for number, name in enumerate(self.class_names, start=1)}
        truth = [entry if aware else {**entry, 'category_id': 1} for entry in self._truth]
        found = [{**entry, 'category_id': numbers.get(entry['name'], 0) if aware else 1}
                 for entry in self._found]
        categories = sorted(numbers.values()) if aware else [1]
        return {kind: _figures(self._images, categories, truth, found, kind) for kind in KINDS}


def _check_sizes(
    truth: CocoTruth, predicted: Instances, masks: npt.NDArray[np.bool_] | None
) -> None:
    shapes = [predicted.labels.shape]
    if masks is not None:
        if masks.ndim != 3 or masks.dtype != np.bool_ or len(masks) != len(predicted):
            raise ValueError(f'masks of {len(predicted)} objects must be (K, H, W) bool, got '
                             f'{masks.shape} {masks.dtype}')
        shapes.append(masks.shape[1:])
    for shape in shapes:
        if shape != truth.shape:
            raise ValueError(
                f'the truth is {truth.shape[1]}x{truth.shape[0]}, the prediction '
                f'{shape[1]}x{shape[0]}: they must be of the same size')


def _entries(truth: CocoTruth) -> list[dict[str, Any]]:
    """Return the true objects as COCO annotations, without id and image."""
    return [
        {'category_id': int(truth.class_ids[row]), 'iscrowd': int(truth.crowd[row]),
         'segmentation': truth.rles[row], 'bbox': truth.boxes_xywh[row].tolist(),
         'area': float(truth.areas[row])}
        for row in range(len(truth))]


def _predictions(
    predicted: Instances,
    masks: npt.NDArray[np.bool_] | None,
    scores: npt.ArrayLike | None,
    boxes_xyxy: npt.ArrayLike | None,
) -> list[dict[str, Any]]:
    """Return the predicted objects as COCO results that keep the name of their class."""
    count, names = len(predicted), predicted.class_names
    if count and not 0 <= predicted.class_ids.min() <= predicted.class_ids.max() < len(names):
        raise ValueError(f'class ids {predicted.class_ids.tolist()}, but names are {len(names)}')
    rles = rles_of_labels(predicted.labels, count) if masks is None else rles_of_masks(masks)
    boxes, areas = _boxes_of(rles), _areas_of(rles)
    if boxes_xyxy is not None:
        corners = np.asarray(boxes_xyxy, np.float64)
        if corners.shape != (count, 4):
            raise ValueError(f'{count} objects need boxes (K, 4), got {corners.shape}')
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    values = np.asarray(predicted.scores if scores is None else scores, np.float64)
    if values.shape != (count,):
        raise ValueError(f'{count} objects need as many scores, got {values.shape}')
    values = np.where(np.isnan(values), -np.inf, values)
    return [
        {'name': names[int(predicted.class_ids[row])], 'score': float(values[row]),
         'segmentation': rles[row], 'bbox': boxes[row].tolist(), 'area': float(areas[row])}
        for row in range(count) if areas[row] > 0 or boxes_xyxy is not None]


def _figures(
    images: list[dict[str, Any]],
    categories: list[int],
    truth: list[dict[str, Any]],
    found: list[dict[str, Any]],
    kind: str,
) -> dict[str, float | None]:
    """Run COCOeval for boxes or masks; what it prints is thrown away."""
    if not images:
        return dict.fromkeys(FIGURES)
    if kind == 'box':  # a result's size is that of what is scored, as pycocotools' loadRes has it
        found = [{**entry, 'area': entry['bbox'][2] * entry['bbox'][3]} for entry in found]
    with redirect_stdout(io.StringIO()):
        evaluation = coco_eval_class()(
            _coco(images, categories, truth), _coco(images, categories, found), KINDS[kind])
        evaluation.evaluate()
        evaluation.accumulate()
    # (IoU, recall, class, size, objects a frame) and (IoU, class, size, objects a frame)
    precision = evaluation.eval['precision'][..., -1]
    recall = evaluation.eval['recall'][..., 0, -1]
    parts = (precision[..., 0], precision[0, ..., 0], precision[5, ..., 0],
             precision[..., 1], precision[..., 2], precision[..., 3], recall)
    return {name: _mean(part) for name, part in zip(FIGURES, parts, strict=True)}


def _coco(
    images: list[dict[str, Any]], categories: list[int], entries: list[dict[str, Any]]
) -> Any:
    """Return a COCO object; ids start at 1, for COCOeval takes a match with id 0 for none."""
    coco = coco_class()()
    coco.dataset = {
        'images': images, 'categories': [{'id': number} for number in categories],
        'annotations': [{'iscrowd': 0, **entry, 'id': number}
                        for number, entry in enumerate(entries, start=1)]}
    coco.createIndex()
    return coco


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    """Return the mean of what is defined: COCOeval marks the rest by -1."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None
