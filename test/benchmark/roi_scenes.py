# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Views of rectangles whose features show them: what a trunk would have found."""

import torch
from torch.nn.functional import avg_pool2d, pad

from seg_ros.benchmark.roi_views import RoiView

HEIGHT, WIDTH, STRIDE = 96, 128, 16
# One object in each half, so that none hides another.
HALVES = (0, WIDTH // 2)
CHANNELS = 32


def rectangle_view(seed, objects=2):
    """Return a view of up to two rectangles; features say where."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros((HEIGHT, WIDTH), dtype=torch.int16)
    boxes = torch.zeros((objects, 4))
    for row in range(objects):
        x, y, w, h = (int(torch.randint(low, high, (), generator=generator))
                      for low, high in ((2, 20), (2, 40), (24, 44), (24, 54)))
        x += HALVES[row]
        w = min(w, HALVES[row] + WIDTH // 2 - x)
        labels[y:y + h, x:x + w] = row + 1
        boxes[row] = torch.tensor([x, y, x + w, y + h])
    return RoiView(features_of_labels(labels).half(), labels, boxes)


def features_of_labels(labels):
    """Return (CHANNELS, h / 16, w / 16): random mixtures of what of a cell objects take."""
    there = (labels > 0).float()[None, None]
    quarters = avg_pool2d(there, STRIDE // 2)
    corners = [quarters[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    whole = avg_pool2d(pad(there, (STRIDE,) * 4), 3 * STRIDE, STRIDE)
    shares = torch.cat([*corners, whole, torch.ones_like(whole)], dim=1)[0]
    mixture = torch.randn((CHANNELS, len(shares)), generator=torch.Generator().manual_seed(0))
    return torch.einsum('cs,shw->chw', 2 * mixture, shares).relu()


def jittered_proposals(view, seed, number=12):
    """Return the view with boxes near its objects and elsewhere as its proposals."""
    generator = torch.Generator().manual_seed(seed)
    near = view.boxes.repeat(number, 1)
    near = near + (torch.rand(near.shape, generator=generator) - 0.5) * 16
    first = torch.rand((number, 2), generator=generator) * torch.tensor([WIDTH - 40, HEIGHT - 40])
    far = torch.cat([first, first + 32], dim=1)
    return RoiView(view.features, view.labels, view.boxes, torch.cat([near, far]))


def rectangle_views(count, first=0):
    """Return views with proposals; one in five has no object."""
    return [jittered_proposals(rectangle_view(seed, 0 if seed % 5 == 4 else 2), seed)
            for seed in range(first, first + count)]
