# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Propose regions as torchvision does, but decode only those that can be chosen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes


class Proposals(RegionProposalNetwork):
    """Propose at run time what a region proposal network does: the same boxes come out.

    torchvision decodes the offsets of all anchors, then takes the best of each level; here the
    best are taken first. Anchors are made anew only where the image has another size.
    """

    def __init__(self, rpn: RegionProposalNetwork) -> None:
        """Take over a network, whose head may be a compiled one."""
        nn.Module.__init__(self)
        self.__dict__.update(rpn.__dict__)  # its parts and its limits
        self._anchors: tuple[Tensor, ...] = ()
        self._anchors_of: object = None

    def forward(
        self, images: ImageList, features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Map images and their levels to boxes (N, 4) x1, y1, x2, y2 an image, and no losses."""
        levels = list(features.values())
        logits, offsets = self.head(levels)
        anchors = self._anchors_for(images, levels)
        return [self._of_image(
            [rows_by_anchor(level[index], 1)[:, 0] for level in logits],
            [rows_by_anchor(level[index], 4) for level in offsets], anchors, size)
            for index, size in enumerate(images.image_sizes)], {}

    def _of_image(
        self, logits: list[Tensor], offsets: list[Tensor], anchors: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        """Return the proposals of one image, best first, from rows by level."""
        best = [level.topk(min(self.pre_nms_top_n(), len(level))) for level in logits]
        chosen, places = (torch.cat([rows[one.indices] for rows, one in
                                     zip(group, best, strict=True)])
                          for group in (offsets, anchors))
        boxes = self.box_coder.decode(chosen, [places])[:, 0]
        boxes = clip_boxes_to_image(boxes, size)
        scores = torch.cat([one.values for one in best]).sigmoid()
        level_of = torch.cat([torch.full_like(one.indices, number)
                              for number, one in enumerate(best)])
        large = remove_small_boxes(boxes, self.min_size)
        large = large[scores[large] >= self.score_thresh]
        boxes, scores, level_of = boxes[large], scores[large], level_of[large]
        kept = batched_nms(boxes, scores, level_of, self.nms_thresh)
        return boxes[kept[:self.post_nms_top_n()]]

    def _anchors_for(self, images: ImageList, levels: list[Tensor]) -> tuple[Tensor, ...]:
        """Return the anchors of each level, those of the last call where nothing has changed."""
        first = levels[0]
        seen = (images.tensors.shape[-2:], *(level.shape[-2:] for level in levels),
                first.dtype, first.device)
        if seen != self._anchors_of:
            one = ImageList(images.tensors[:1], images.image_sizes[:1])
            counts = [
                level.shape[-2] * level.shape[-1] * number for level, number in zip(
                    levels, self.anchor_generator.num_anchors_per_location(), strict=True)]
            self._anchors = self.anchor_generator(one, levels)[0].split(counts)
            self._anchors_of = seen
        return self._anchors


def rows_by_anchor(level: Tensor, values: int) -> Tensor:
    """Map a head's output (A * values, h, w) to rows (h * w * A, values), as anchors are laid."""
    height, width = level.shape[-2:]
    return level.view(-1, values, height, width).permute(2, 3, 0, 1).reshape(-1, values)
