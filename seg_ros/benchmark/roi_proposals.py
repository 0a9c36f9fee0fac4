# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train a region proposal network on cached features and keep its proposals with the views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import box_iou

from seg_ros.benchmark.roi_views import RoiView, batches_of, features_of

ANCHOR_SIDES = (16, 32, 64, 128, 256)  # pixels
ANCHOR_RATIOS = (0.5, 1.0, 2.0)
LARGEST_GRADIENT = 10.0
WARMUP_SHARE = 0.1


def fit(
    module: nn.Module,
    losses_of: Callable[[list[RoiView]], dict[str, Tensor]],
    batches: Iterable[list[RoiView]],
    iterations: int,
    rate: float,
) -> dict[str, float]:
    """Train by AdamW and return each loss, averaged over the last quarter of the iterations.

    The rate rises over the first tenth and falls to zero by a cosine.
    """
    optimizer = torch.optim.AdamW(module.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=iterations + 1, pct_start=WARMUP_SHARE, cycle_momentum=False)
    seen: list[dict[str, float]] = []
    module.train()
    for views in batches:
        losses = losses_of(views)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        seen.append({name: float(loss.detach()) for name, loss in losses.items()})
    module.eval()
    last = seen[-max(1, len(seen) // 4):]
    return {name: sum(losses[name] for losses in last) / len(last) for name in last[0]}


def proposal_network(channels: int, kept: int) -> RegionProposalNetwork:
    """Build a region proposal network for one level of features, with random weights.

    ``kept`` proposals remain of an image after the suppression of doubles.
    """
    anchors = AnchorGenerator((ANCHOR_SIDES,), (ANCHOR_RATIOS,))
    head = RPNHead(channels, anchors.num_anchors_per_location()[0])
    before, after = ({'training': number, 'testing': number} for number in (5 * kept, kept))
    return RegionProposalNetwork(anchors, head, 0.7, 0.3, 256, 0.5, before, after, 0.7)


def train_proposals(
    views: Sequence[RoiView], *, kept: int, batch: int, iterations: int, rate: float, seed: int
) -> RegionProposalNetwork:
    """Train a region proposal network on views; the seed fixes all that is random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = proposal_network(len(views[0].features), kept)

        def losses_of(chosen: list[RoiView]) -> dict[str, Tensor]:
            losses: dict[str, Tensor] = network(
                _images(chosen), {'0': features_of(chosen)}, [view.target() for view in chosen])[1]
            return losses

        fit(network, losses_of, batches_of(views, batch, iterations, seed), iterations, rate)
    return network


@torch.inference_mode()
def with_proposals(network: RegionProposalNetwork, views: Sequence[RoiView]) -> list[RoiView]:
    """Return the views with what a trained network proposes, the best first."""
    return [replace(view, proposals=network(_images([view]), {'0': features_of([view])})[0][0]
                    .clone()) for view in views]


def proposal_recall(views: Sequence[RoiView], iou: float) -> float:
    """Return the share of objects of which a proposal's box overlaps theirs by IoU or more.

    No row can find more objects than that. NaN without an object.
    """
    best = [box_iou(view.boxes, view.proposals).amax(dim=1)
            for view in views if len(view.boxes) and view.proposals is not None]
    return float((torch.cat(best) >= iou).double().mean()) if best else float('nan')


def _images(views: Sequence[RoiView]) -> ImageList:
    """Return what torchvision asks of images: their number and size, no pixels."""
    height, width = views[0].size
    empty = torch.empty(1).expand(len(views), 1, height, width)
    return ImageList(empty, [(height, width)] * len(views))
