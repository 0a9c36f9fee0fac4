# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Let backends run the convolutions of a detector; torchvision's code still leads them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.roi_heads import RoIHeads

from seg_ros.backends import compile_network
from seg_ros.mask_rcnn.proposals import Proposals

# Regions of a frame that the heads are timed with.
EXAMPLE_BOXES = 100
EXAMPLE_MASKS = 20

Run = Callable[..., tuple[Tensor, ...]]


class Levels(nn.Module):
    """Return a backbone's levels as a tuple, which exporters and engines take."""

    def __init__(self, backbone: nn.Module) -> None:
        """Take the backbone."""
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images (B, C, h, w) to the levels."""
        return tuple(self.backbone(images).values())


class Proposer(nn.Module):
    """Return what the head of a region proposal network makes of levels, as one tuple."""

    def __init__(self, head: nn.Module) -> None:
        """Take the head."""
        super().__init__()
        self.head = head

    def forward(self, *levels: Tensor) -> tuple[Tensor, ...]:
        """Map levels to the logits of each, then the offsets of each."""
        logits, offsets = self.head(list(levels))
        return (*logits, *offsets)


class BoxHead(nn.Module):
    """Return class logits and offsets of flattened region features."""

    def __init__(self, heads: RoIHeads, shape: tuple[int, ...]) -> None:
        """Take RoI heads and the shape (C, h, w) of a region's features."""
        super().__init__()
        self.head: nn.Module = heads.box_head
        self.predictor: nn.Module = heads.box_predictor
        self.shape = shape

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Map (N, C h w) to (N, classes) and (N, 4 classes)."""
        logits, offsets = self.predictor(self.head(rows.view(-1, *self.shape)))
        return logits, offsets


class RunLevels(nn.Module):
    """Run a compiled backbone under its levels' names."""

    def __init__(self, run: Run, names: list[str], out_channels: int) -> None:
        """Take the runner and the names."""
        super().__init__()
        self.run, self.names, self.out_channels = run, names, out_channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Map images (B, C, h, w) to the named levels."""
        return OrderedDict(zip(self.names, self.run(images), strict=True))


class RunProposer(nn.Module):
    """Run a compiled head of a region proposal network."""

    def __init__(self, run: Run) -> None:
        """Take the runner."""
        super().__init__()
        self.run = run

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map levels to logits and offsets of each."""
        outputs = self.run(*levels)
        return list(outputs[:len(levels)]), list(outputs[len(levels):])


class RunRegions(nn.Module):
    """Run a compiled head on regions; torch takes none of them, which engines may not."""

    def __init__(self, run: Run, eager: nn.Module, flat: bool) -> None:
        """Take the runner and what it was made of; flat: its input is rows."""
        super().__init__()
        self.run, self.flat = run, flat
        self.eager = eager

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map region features (N, C, h, w) to the head's output, a tuple where it has several."""
        inputs = features.flatten(1) if self.flat else features
        outputs = self.run(inputs) if len(features) else self.eager(inputs)
        if isinstance(outputs, Tensor):
            return outputs
        return outputs[0] if len(outputs) == 1 else outputs


def compile_detector(
    model: MaskRCNN, images: Tensor, backend: str, device: torch.device
) -> list[Run]:
    """Replace backbone and heads of a detector in eval mode by compiled ones; return the runners.

    ``images`` (1, C, h, w) is an input like those to come, as the backbone sees it. Raises
    ValueError as ``compile_network`` does.
    """
    heads = model.roi_heads
    with torch.inference_mode():
        levels = model.backbone(images)
    width = next(iter(levels.values())).shape[1]

    def built(module: nn.Module, *examples: Tensor) -> Run:
        return compile_network(module.eval(), examples, backend=backend, device=device)

    runs = [built(Levels(model.backbone), images),
            built(Proposer(model.rpn.head), *levels.values())]
    model.backbone = RunLevels(runs[0], list(levels), model.backbone.out_channels)
    model.rpn.head = RunProposer(runs[1])
    model.rpn = Proposals(model.rpn)
    side = heads.box_roi_pool.output_size[0]
    box_head = BoxHead(heads, (width, side, side))
    runs.append(built(box_head, torch.rand(
        EXAMPLE_BOXES, width * side * side, device=images.device)))
    heads.box_head = RunRegions(runs[2], box_head, flat=True)
    heads.box_predictor = nn.Identity()
    side = heads.mask_roi_pool.output_size[0]
    mask_head = nn.Sequential(heads.mask_head, heads.mask_predictor)
    runs.append(built(mask_head, torch.rand(
        EXAMPLE_MASKS, width, side, side, device=images.device)))
    heads.mask_head = RunRegions(runs[3], mask_head, flat=False)
    heads.mask_predictor = nn.Identity()
    return runs
