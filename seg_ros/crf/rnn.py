# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""CRF as RNN: iterations of the mean field as the last layers of a network.

Zheng et al., "Conditional Random Fields as Recurrent Neural Networks", ICCV 2015: weights of the
kernels and the compatibility of labels are learned together with the network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seg_ros.crf.dense import chosen_backend, run_field
from seg_ros.crf.dense_field import Mix
from seg_ros.crf.kernels import Bilateral, Gaussian, Guide
from seg_ros.crf.torch_dense import mean_field, torch_filters


class CrfRnn(nn.Module):
    """Sharpen logits by a fully connected CRF over position, and over position and colour.

    Learned are the weights of both kernels, one a label, and the compatibility (L, L), which need
    not be symmetric. Widths are those of the paper: 3 pixels; 160 pixels and 3 of 255. The
    number of iterations is 5 in training and 10 else, as there. On the CPU and without gradients
    the compiled mean field runs, where numba is installed.
    """

    def __init__(
        self, labels: int, *, gaussian_px: float = 3.0, bilateral_px: float = 160.0,
        bilateral_color: float = 3.0, iterations: int = 10, training_iterations: int = 5,
        gaussian_weight: float = 3.0, bilateral_weight: float = 5.0,
    ) -> None:
        """Start from Potts' model; ValueError for no label, widths or iterations amiss."""
        super().__init__()
        if labels < 1 or min(iterations, training_iterations) < 1:
            raise ValueError(f'{labels} labels, {iterations} and {training_iterations} '
                             'iterations: each is 1 or more')
        self.config: dict[str, Any] = {
            'gaussian_px': gaussian_px, 'bilateral_px': bilateral_px,
            'bilateral_color': bilateral_color, 'iterations': iterations,
            'training_iterations': training_iterations}
        self.kernels = Gaussian(gaussian_px), Bilateral(bilateral_px, bilateral_color)
        self.iterations, self.training_iterations = iterations, training_iterations
        self.gaussian_weight = nn.Parameter(torch.full((labels,), gaussian_weight))
        self.bilateral_weight = nn.Parameter(torch.full((labels,), bilateral_weight))
        self.compatibility = nn.Parameter(-torch.eye(labels))

    def forward(self, logits: Tensor, color: Tensor) -> Tensor:
        """Return logits (B, L, H, W) of the mean field, whose unary costs are minus ``logits``.

        ``color`` (B, 3, H, W), 0 to 255, steers the kernel and gets no gradient.
        """
        if logits.shape[0] != color.shape[0] or logits.shape[2:] != color.shape[2:]:
            raise ValueError(f'logits {tuple(logits.shape)} and colour {tuple(color.shape)} must '
                             'be of the same images')
        return torch.stack([self._one(*pair) for pair in zip(logits, color, strict=True)])

    def _one(self, logits: Tensor, color: Tensor) -> Tensor:
        labels, height, width = logits.shape
        image = color.detach().permute(1, 2, 0).float().cpu().numpy()
        guide = Guide((height, width), np.ascontiguousarray(image))
        iterations = self.training_iterations if self.training else self.iterations
        # the sums of a mean field lose too much in half precision
        costs = -logits.reshape(labels, -1).T
        costs = costs if costs.dtype == torch.float64 else costs.float()
        weights = self.gaussian_weight, self.bilateral_weight
        is_plain = costs.device.type == 'cpu' and costs.dtype == torch.float32
        if is_plain and not torch.is_grad_enabled() and chosen_backend('auto') == 'numba':
            found = self._compiled(costs, guide, iterations)
        else:
            filters = torch_filters(guide, self.kernels, logits.device)
            found = mean_field(costs, filters, weights, self.compatibility, iterations)
        return found.T.reshape(labels, height, width)

    def _compiled(self, costs: Tensor, guide: Guide, iterations: int) -> Tensor:
        """Return log probabilities (N, L): their softmax is that of the logits."""
        matrix = -self.compatibility.detach().float().cpu().numpy()
        mixes = [Mix(weight.detach().float().cpu().numpy(), matrix)
                 for weight in (self.gaussian_weight, self.bilateral_weight)]
        found = run_field(np.ascontiguousarray(costs.numpy()), guide, self.kernels, mixes,
                          iterations=iterations)
        return torch.from_numpy(found.probabilities).clamp(min=1e-30).log()
