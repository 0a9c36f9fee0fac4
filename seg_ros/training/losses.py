# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The weighted sum of losses that a training of the Unseen Clustering Network minimises."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from seg_ros.training.options import TrainOptions
from seg_ros.unseen.loss import border_loss, clustering_loss, contact_loss, foreground_loss

LOSSES = ('loss', 'intra', 'inter', 'border', 'foreground', 'contact')


def network_losses(
    network: nn.Module, color: Tensor, xyz: Tensor, labels: Tensor, options: TrainOptions
) -> tuple[dict[str, Tensor], Tensor, Tensor | None]:
    """Return the losses of a batch by name ('loss' their weighted sum), embedding and logits.

    ``labels`` (B, h/2, w/2); a network that embeds every pixel is averaged down to them.
    """
    output = network(color, xyz)
    embedding, *heads = output if isinstance(output, tuple) else (output,)
    embedding = embedding.float()
    if embedding.shape[2:] != labels.shape[1:]:
        height, width = labels.shape[1:]
        embedding = functional.normalize(
            functional.adaptive_avg_pool2d(embedding, (height, width)), dim=1)
    clusters = clustering_loss(embedding, labels)
    border = border_loss(embedding, labels)
    of_heads = [loss(logits.float(), labels)
                for loss, logits in zip((foreground_loss, contact_loss), heads, strict=False)]
    foreground, contact = of_heads + [border.new_zeros(())] * (2 - len(heads))
    total = (clusters.total + options.border_weight * border
             + options.foreground_weight * foreground + options.contact_weight * contact)
    values = dict(zip(LOSSES, (total, clusters.intra, clusters.inter, border, foreground,
                               contact), strict=True))
    logits = heads[0] if heads else None
    return values, embedding, logits
