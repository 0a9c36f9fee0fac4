# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What border weights bring: touching objects told apart by a U-Net of two classes.

``python -m seg_ros.benchmark.unet_borders FOLDER`` trains small networks with and without them
and writes unet_borders.json and unet_borders.png.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from seg_ros.benchmark.touching import Drawing, draw_touching
from seg_ros.core.drawing import instance_colors
from seg_ros.core.io import write_atomically
from seg_ros.semantic.architectures import build_network
from seg_ros.semantic.border_weights import (
    border_weights,
    instances_of_foreground,
    separated,
)
from seg_ros.semantic.model import SemanticNetwork

LOGGER = logging.getLogger(__name__)
FIRST_TEST_SEED = 1_000_000
# Where the border term counts: nowhere, at every pixel as equation 2 has it, in the background
# alone as figure 3 of the paper shows it.
VARIANTS = ('none', 'everywhere', 'background')
_ZOOM = 2


@dataclass(frozen=True)
class BorderOptions:
    """Describe the trainings."""

    width: int = 6
    steps: int = 200
    batch: int = 4
    learning_rate: float = 2e-3
    w0: float = 10.0
    sigma_px: float = 5.0
    test_drawings: int = 100


def weights_of(
    target: npt.NDArray[np.int32], options: BorderOptions, variant: str
) -> npt.NDArray[np.float32]:
    """Return the pixel weights (h, w) of a variant: class balance, and the border term."""
    return border_weights(
        target, w0=0.0 if variant == 'none' else options.w0, sigma_px=options.sigma_px,
        background_only=variant == 'background')


def train(options: BorderOptions, variant: str, seed: int) -> SemanticNetwork:
    """Train a U-Net on drawings; variants see the same drawings, targets and first weights.

    Targets are foreground with touching objects parted by two pixels of background.
    """
    torch.manual_seed(seed)
    network = build_network('unet', 2, width=options.width).train()
    optimizer = torch.optim.Adam(network.parameters(), options.learning_rate)
    rng = np.random.default_rng(seed)
    for _ in range(options.steps):
        drawings = [draw_touching(rng) for _ in range(options.batch)]
        targets = [separated(drawing.labels) for drawing in drawings]
        weights = torch.from_numpy(np.stack([
            weights_of(target, options, variant) for target in targets]))
        color = inputs_of(drawings)
        logits = network(color, torch.zeros_like(color))
        loss = functional.cross_entropy(
            logits, torch.from_numpy(np.stack(targets) > 0).long(), reduction='none')
        optimizer.zero_grad()
        ((loss * weights).sum() / weights.sum()).backward()
        optimizer.step()
    return network.eval()


def inputs_of(drawings: Sequence[Drawing]) -> Tensor:
    """Return the drawings as a network takes them, (B, 3, h, w) of about -1 to 1."""
    color = np.stack([drawing.color for drawing in drawings]).transpose(0, 3, 1, 2)
    return torch.from_numpy(color.astype(np.float32) / 127.5 - 1)


def foreground(network: SemanticNetwork, drawing: Drawing) -> npt.NDArray[np.float32]:
    """Return the probability of foreground, (h, w) float32."""
    color = inputs_of([drawing])
    with torch.no_grad():
        return network(color, torch.zeros_like(color)).softmax(dim=1)[0, 1].numpy()


def found_share(labels: npt.NDArray[np.int32], found: npt.NDArray[np.int32]) -> float:
    """Return the share of true instances that a found one meets with an IoU above 0.5."""
    shape = (int(labels.max()) + 1, int(found.max()) + 1)
    joint = np.zeros(shape, np.int64)
    np.add.at(joint, (labels.ravel(), found.ravel()), 1)
    union = joint.sum(1, keepdims=True) + joint.sum(0, keepdims=True) - joint
    iou = (joint / np.maximum(union, 1))[1:, 1:]
    return float((iou > 0.5).any(axis=1).mean()) if shape[0] > 1 else 1.0


def score(network: SemanticNetwork, drawings: Sequence[Drawing]) -> dict[str, float]:
    """Return means over drawings: the share of objects found apart, and the foreground's IoU."""
    shares, overlaps = [], []
    for drawing in drawings:
        probability = foreground(network, drawing)
        shares.append(found_share(drawing.labels, instances_of_foreground(probability)))
        truth, predicted = drawing.labels > 0, probability > 0.5
        overlaps.append((truth & predicted).sum() / max((truth | predicted).sum(), 1))
    return {'objects_apart': float(np.mean(shares)), 'foreground_iou': float(np.mean(overlaps))}


def unseen_drawings(count: int) -> list[Drawing]:
    """Return drawings that no training sees."""
    return [draw_touching(np.random.default_rng(FIRST_TEST_SEED + index))
            for index in range(count)]


def picture(label: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Return (h, w, 3) RGB with each instance in a colour of its own."""
    colors = instance_colors(np.arange(1, max(int(label.max()), 1) + 1))
    return np.vstack([np.zeros((1, 3), np.uint8), colors])[label]


def figure(
    networks: dict[str, SemanticNetwork], drawings: Sequence[Drawing], options: BorderOptions
) -> npt.NDArray[np.uint8]:
    """Return the figure (H, W, 3) RGB: a row a drawing, headed columns."""
    rows = []
    for drawing in drawings:
        weights = weights_of(separated(drawing.labels), options, 'background')
        heat = cv2.applyColorMap(_levels(weights / options.w0), cv2.COLORMAP_JET)[..., ::-1]
        cells: list[npt.NDArray[Any]] = [drawing.color, picture(drawing.labels), heat]
        for network in networks.values():
            probability = foreground(network, drawing)
            cells += [np.repeat(_levels(probability)[..., None], 3, axis=2),
                      picture(instances_of_foreground(probability))]
        rows.append(np.hstack([_framed(cell) for cell in cells]))
    heads = ['image', 'true objects', 'weights']
    for name in networks:
        heads += [f'border term: {name}', 'its components']
    return np.vstack([_header(heads, rows[0].shape[1]), *rows])


def _levels(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def _framed(cell: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    large = cell.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
    return np.pad(large, ((2, 2), (2, 2), (0, 0)), constant_values=255)


def _header(heads: Sequence[str], width: int) -> npt.NDArray[np.uint8]:
    canvas = np.full((22, width, 3), 255, np.uint8)
    for index, head in enumerate(heads):
        cv2.putText(canvas, head, (4 + index * width // len(heads), 15),
                    cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return canvas


def write_figures(
    folder: Path, results: dict[str, Any], image: npt.NDArray[np.uint8]
) -> None:
    """Write unet_borders.json and unet_borders.png."""
    text = json.dumps(results, indent=1) + '\n'
    write_atomically(folder / 'unet_borders.json', text.encode())
    encoded = cv2.imencode(
        '.png', image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    write_atomically(folder / 'unet_borders.png', encoded.tobytes())


def run(folder: Path, seeds: Sequence[int], options: BorderOptions) -> dict[str, Any]:
    """Train every variant for every seed; write and return the figures."""
    drawings = unseen_drawings(options.test_drawings)
    results: dict[str, Any] = {'options': asdict(options), 'runs': []}
    first: dict[str, SemanticNetwork] = {}
    for seed in seeds:
        for variant in VARIANTS:
            network = train(options, variant, seed)
            first.setdefault(variant, network)
            one = {'seed': seed, 'border_term': variant, **score(network, drawings)}
            LOGGER.info('%s', one)
            results['runs'].append(one)
        write_figures(folder, results, figure(first, drawings[:4], options))
    return results


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='where the figures go')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--steps', type=int, default=BorderOptions.steps, help='of a training')
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    run(arguments.folder, arguments.seeds, BorderOptions(steps=arguments.steps))


if __name__ == '__main__':
    main()
