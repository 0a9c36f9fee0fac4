# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small Unseen Clustering Network for CPUs: the small trunk, two or three heads at stride 2."""

from __future__ import annotations

import dataclasses

from torch import Tensor
from torch.nn import functional

from seg_ros.networks.small_trunk import Merge, Pointwise, SmallTrunk, SmallTrunkConfig


@dataclasses.dataclass(frozen=True)
class SmallUcnConfig(SmallTrunkConfig):
    """Describe a small network; the defaults are those of weights that don't say otherwise."""

    embedding_dim: int = 32
    head_width: int = 24
    contact_head: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be built, with a ValueError."""
        super().__post_init__()
        if self.embedding_dim < 2 or self.head_width < 1:
            raise ValueError(
                f'embedding_dim {self.embedding_dim}, head_width {self.head_width}: '
                'give at least 2 and 1')


# What a training builds: 1.6 times the operations of the defaults, and a head for contacts.
TRAINED = SmallUcnConfig(
    widths=(16, 48, 88, 128, 152), head_width=32, blocks=(0, 1, 1, 1), raised_blocks=1,
    contact_head=True)


class SmallUcn(SmallTrunk):
    """Embed every second pixel as a unit vector and tell objects from background."""

    output_stride = 2

    def __init__(self, config: SmallUcnConfig | None = None) -> None:
        """Build the network from its description."""
        config = config or SmallUcnConfig()
        super().__init__(config)
        self.config = config
        half, quarter = config.widths[:2]
        self.up2 = Merge(quarter, self.stems.factor * half, config.head_width)
        self.embedding_head = Pointwise(config.head_width, config.embedding_dim)
        self.foreground_head = Pointwise(config.head_width, 1)
        if config.contact_head:
            self.contact_head = Pointwise(config.head_width, 1)

    def features(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Return the features (B, head_width, h/2, w/2) that the heads read."""
        at2, raised4, *_ = self.pyramid(color, xyz)
        return self.up2(raised4, at2)

    def heads(self, features: Tensor) -> tuple[Tensor, ...]:
        """Map features to what `forward` returns."""
        embedding = functional.normalize(self.embedding_head(features), dim=1, eps=1e-6)
        foreground = self.foreground_head(features)
        if not self.config.contact_head:
            return embedding, foreground
        return embedding, foreground, self.contact_head(features)

    def forward(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Map colour (B, 3, h, w), preprocessed RGB, and xyz (B, 3, h, w), metres, 0 = none.

        Returns unit embeddings (B, D, h/2, w/2), foreground logits (B, 1, h/2, w/2) and, with a
        contact head, logits (B, 1, h/2, w/2) of lying where two objects meet. Height and width
        must be even.
        """
        return self.heads(self.features(color, xyz))
