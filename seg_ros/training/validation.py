# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Quick measures of a network on validation views, at the resolution of its embeddings."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seg_ros.evaluation.unseen_metrics import evaluate_frame
from seg_ros.unseen.mean_shift import mean_shift_fast

MEASURES = ('foreground_iou', 'overlap_f', 'share_above_75')
_KAPPA = 10.0


def quick_measures(embedding: Tensor, logits: Tensor | None, labels: Tensor) -> dict[str, float]:
    """Return the mean measures of a batch: foreground IoU, overlap F, share of F > 0.75.

    ``embedding`` (B, D, h, w), ``logits`` (B, 1, h, w) or None, ``labels`` (B, h, w) with -1
    ignored. The clusters are scored as they are, without the clean-up of the segmenter.
    """
    scores = []
    for index, truth in enumerate(labels):
        found = clustered(embedding[index], None if logits is None else logits[index])
        ignored = truth < 0
        scores.append(evaluate_frame(
            truth.masked_fill(ignored, 0).cpu().numpy(),
            found.masked_fill(ignored, 0).cpu().numpy()))
    count = max(len(scores), 1)
    return {
        'foreground_iou': foreground_iou(logits, labels),
        'overlap_f': sum(score.overlap_f for score in scores) / count,
        'share_above_75': sum(score.share_above_75 for score in scores) / count,
    }


def clustered(embedding: Tensor, logits: Tensor | None) -> Tensor:
    """Return labels (h, w) int64 of an image's embedding (D, h, w), 0 background.

    Without foreground logits the largest cluster is background, as published.
    """
    height, width = embedding.shape[1:]
    pixels = embedding.movedim(0, -1).flatten(0, 1)[None]
    mask = None if logits is None else (logits > 0).flatten()[None]
    clusters = mean_shift_fast(pixels, mask, kappa=_KAPPA)[0]
    first = 0 if logits is None else 1
    return (clusters.labels + first).view(height, width)


def foreground_iou(logits: Tensor | None, labels: Tensor) -> float:
    """Return intersection over union of logits > 0 and labels > 0; NaN without logits."""
    if logits is None:
        return math.nan
    found, true = (logits[:, 0] > 0) & (labels >= 0), labels > 0
    union = (found | true).sum()
    return float(torch.where(union > 0, (found & true).sum() / union.clamp(min=1), 1.0))
