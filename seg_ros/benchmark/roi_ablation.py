# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compare RoIPool, RoIWarp and RoIAlign by the accuracy of the heads that read through them.

He et al., "Mask R-CNN", ICCV 2017, table 2c, on a small scale: one frozen trunk, features at
stride 16, one set of proposals; for each operator box and mask heads are trained anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads

from seg_ros.benchmark.machine import describe_machine
from seg_ros.benchmark.roi_proposals import (
    fit,
    proposal_recall,
    train_proposals,
    with_proposals,
)
from seg_ros.benchmark.roi_views import (
    RoiView,
    batches_of,
    features_of,
    read_views,
    trunk_from,
)
from seg_ros.core.io import write_atomically
from seg_ros.core.options import Options, option
from seg_ros.core.results import Instances
from seg_ros.evaluation.coco_metrics import CocoScores, CocoTruth
from seg_ros.mask_rcnn.masks import pasted_masks
from seg_ros.mask_rcnn.roi import MultiLevelRoi
from seg_ros.weights import Weights

FORMAT = 1
# Operator and aggregation of each row, in the paper's order.
ROWS = (('pool', 'max'), ('warp', 'max'), ('warp', 'average'), ('align', 'max'),
        ('align', 'average'))
RECALL_IOUS = (0.5, 0.75)
PROPOSAL_SEED = 0
MASK_THRESHOLD = 0.5


@dataclass(frozen=True)
class AblationOptions(Options):
    """Say how the heads are trained, those of all rows alike."""

    iterations: int = option(240, 'steps of each training of heads', minimum=1)
    batch: int = option(4, 'views in a step', minimum=1)
    rois: int = option(32, 'regions a view in a step, up to a quarter of them objects', minimum=4)
    rate: float = option(1e-3, "AdamW's highest learning rate", minimum=0.0)
    proposal_iterations: int = option(300, "steps of the proposals' training", minimum=1)
    proposals: int = option(200, 'proposals a view', minimum=1)
    views: int = option(350, 'views to train on', minimum=1)
    validation_views: int = option(100, 'views to score', minimum=1)
    width: int = option(640, 'network input, pixels', minimum=64)
    height: int = option(480, 'network input, pixels', minimum=64)
    box_width: int = option(384, "width of the box head's two layers", minimum=1)
    mask_width: int = option(64, "channels of the mask head's convolutions", minimum=1)
    mask_layers: int = option(2, "the mask head's convolutions before it is raised", minimum=1)


@dataclass(frozen=True, eq=False)
class Study:
    """Hold what all runs share: views with proposals, and what is said of them and the trunk."""

    training: list[RoiView]
    validation: list[RoiView]
    facts: dict[str, Any]


def prepare(
    weights: Weights, training: Path, validation: Path, options: AblationOptions,
    progress: Callable[[str], None] = lambda text: None,
) -> Study:
    """Read both folders by the trunk of weights and find their proposals.

    ValueError for weights without such a trunk, a folder without views or objects.
    """
    trunk, size = trunk_from(weights), (options.width, options.height)
    views, said = read_views(training, options.views, size, trunk)
    others, said_of_others = read_views(validation, options.validation_views, size, trunk)
    if not any(len(view.boxes) for view in others):
        raise ValueError(f'the views of {validation} hold no object to find')
    progress(f'features of {len(views)} and {len(others)} views')
    network = train_proposals(
        views, kept=options.proposals, batch=options.batch, rate=options.rate,
        iterations=options.proposal_iterations, seed=PROPOSAL_SEED)
    views, others = with_proposals(network, views), with_proposals(network, others)
    recall = {f'{iou:g}': round(proposal_recall(others, iou), 4) for iou in RECALL_IOUS}
    progress(f'proposals; share of the objects they find, by IoU: {recall}')
    return Study(views, others, {
        'trunk': {'file': weights.path.name,
                  'sha256': hashlib.sha256(weights.path.read_bytes()).hexdigest()},
        'data': {'training': said, 'validation': said_of_others},
        'proposal_recall': recall})


def heads(
    channels: int, operator: str, aggregation: str, options: AblationOptions
) -> RoIHeads:
    """Build box and mask heads for one class, with random weights."""
    def reader(size: int) -> MultiLevelRoi:
        return MultiLevelRoi(['0'], size, operator=operator, aggregation=aggregation)

    wide, width = options.box_width, options.mask_width
    return RoIHeads(
        reader(7), TwoMLPHead(channels * 49, wide), FastRCNNPredictor(wide, 2),
        fg_iou_thresh=0.5, bg_iou_thresh=0.5, batch_size_per_image=options.rois,
        positive_fraction=0.25, bbox_reg_weights=None, score_thresh=0.05, nms_thresh=0.5,
        detections_per_img=100, mask_roi_pool=reader(14),
        mask_head=MaskRCNNHeads(channels, [width] * options.mask_layers, 1),
        mask_predictor=MaskRCNNPredictor(width, width, 2))


def train_heads(
    views: Sequence[RoiView], operator: str, aggregation: str, seed: int,
    options: AblationOptions,
) -> tuple[RoIHeads, dict[str, float]]:
    """Train heads and return them with their last losses.

    The seed fixes the first weights, the order of the views and the regions drawn: they are the
    same for every operator.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = heads(len(views[0].features), operator, aggregation, options)

        def losses_of(chosen: list[RoiView]) -> dict[str, Tensor]:
            losses: dict[str, Tensor] = network(
                {'0': features_of(chosen)}, _proposals(chosen), [view.size for view in chosen],
                [view.target() for view in chosen])[1]
            return losses

        batches = batches_of(views, options.batch, options.iterations, seed)
        losses = fit(network, losses_of, batches, options.iterations, options.rate)
    return network, losses


@torch.inference_mode()
def score(network: RoIHeads, views: Iterable[RoiView]) -> dict[str, dict[str, float | None]]:
    """Return COCO's measures of boxes and masks of trained heads, pixels as the network's."""
    scores = CocoScores()
    for view in views:
        found = network({'0': features_of([view])}, _proposals([view]), [view.size])[0][0]
        boxes, values = found['boxes'].numpy(), found['scores'].numpy()
        masks = _whole_masks(boxes, found['masks'][:, 0].numpy(), view.size)
        scores.add(CocoTruth.from_masks(view.masks().numpy() > 0), _rows(view.size, values),
                   masks=masks, boxes_xyxy=boxes)
    return scores.summary()


def _proposals(views: Sequence[RoiView]) -> list[Tensor]:
    return [view.proposals for view in views if view.proposals is not None]


def _whole_masks(
    boxes: npt.NDArray[np.float32], masks: npt.NDArray[np.float32], shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Return masks (K, h, w) of those inside boxes; they may overlap."""
    whole = np.zeros((len(boxes), *shape), bool)
    for mask, (window, probability) in zip(
            whole, pasted_masks(boxes, masks, shape), strict=True):
        mask[window] = probability >= MASK_THRESHOLD
    return whole


def _rows(shape: tuple[int, int], scores: npt.NDArray[np.float32]) -> Instances:
    """Return objects that have scores; their pixels are given beside them."""
    count = len(scores)
    return Instances(np.zeros(shape, np.int32), scores, np.zeros(count, np.int32),
                     np.arange(1, count + 1, dtype=np.int32), ('object',))


def run_row(
    study: Study, operator: str, aggregation: str, seed: int, options: AblationOptions
) -> dict[str, Any]:
    """Train and score one row with one seed; return all that there is to say, as JSON values."""
    start = time.process_time()
    network, losses = train_heads(study.training, operator, aggregation, seed, options)
    trained = time.process_time()
    figures = score(network, study.validation)
    scored = time.process_time()
    return {
        **_head(study, operator, aggregation, seed, options),
        'figures': figures,
        'losses': losses,
        'cpu_seconds': {'training': round(trained - start, 1),
                        'scoring': round(scored - trained, 1)},
        'machine': describe_machine(),
    }


def _head(
    study: Study, operator: str, aggregation: str, seed: int, options: AblationOptions
) -> dict[str, Any]:
    """Return what makes a run what it is."""
    return {'format': FORMAT, 'operator': operator, 'aggregation': aggregation, 'seed': seed,
            'options': asdict(options), **study.facts}


def run_ablation(
    study: Study, seeds: Sequence[int], options: AblationOptions, out: Path,
    progress: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Run every row with every seed, a JSON file each in ``out``; return their contents.

    A run whose file is there, of the same options, data and trunk, is not made again.
    """
    out.mkdir(parents=True, exist_ok=True)
    records = []
    for seed in seeds:
        for operator, aggregation in ROWS:
            path = out / f'{operator}-{aggregation}-seed{seed}.json'
            wanted = _head(study, operator, aggregation, seed, options)
            record = _made_before(path, wanted)
            if record is None:
                record = run_row(study, operator, aggregation, seed, options)
                text = json.dumps(record, indent=1, allow_nan=False) + '\n'
                write_atomically(path, text.encode())
            mask = record['figures']['mask']
            progress(f'{path.name}: mask AP {mask["AP"]}, AP50 {mask["AP50"]}, AP75 '
                     f'{mask["AP75"]}; {record["cpu_seconds"]} s')
            records.append(record)
    return records


def _made_before(path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record of an earlier run, None where there is none or it is another's."""
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text())
    same = json.loads(json.dumps(wanted))
    return record if {key: record.get(key) for key in same} == same else None
