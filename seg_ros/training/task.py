# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a method gives the trainer, so that one loop trains any of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seg_ros.training.options import CommonTrainOptions
from seg_ros.training.parallel import Team
from seg_ros.training.progress import Progress
from seg_ros.training.schedules import cosine_rate
from seg_ros.weights import Weights


class Task(Protocol):
    """Say what a training teaches: its data, its network, its losses, its validation.

    The trainer calls ``open`` and ``network`` first, then ``parameter_groups``, each once.
    ``losses`` names what is logged of a step; the first is 'loss', which is minimised.
    ``measures`` names what a validation adds to them; ``best`` is the one, the higher the better,
    that best.safetensors and patience follow. ``started_from``, set by ``network``, is told in
    the weights' metadata. A method inherits from this class to have ``parameter_groups``,
    ``optimizer``, ``decline`` and ``train_mode`` as they are here.
    """

    method: str
    options: CommonTrainOptions
    losses: tuple[str, ...]
    measures: tuple[str, ...]
    best: str
    started_from: str

    def open(self, data: Sequence[Path], shares: Sequence[float] | None) -> None:
        """Open the training data and, where there are any, those of the validation.

        ``shares`` say how often a sample is of each data set, in any unit. ValueError or
        FileNotFoundError where there is nothing to train on.
        """
        ...

    def network(self, described: dict[str, Any] | None, init: Weights | None) -> nn.Module:
        """Build the network as a checkpoint describes it, else from weights, else a new one.

        ``described`` is what ``described`` returned; its values are loaded by the trainer.
        Random values come from torch's generator, which is seeded.
        """
        ...

    def described(self, network: nn.Module, **more: Any) -> dict[str, Any]:
        """Return the metadata that make saved weights complete: method, architecture, config.

        ``more`` is joined to them. JSON must hold them.
        """
        ...

    def data_described(self) -> list[dict[str, Any]]:
        """Return what each data set says of itself: 'folder', 'views', and what else is known."""
        ...

    def loader(self, progress: Progress, team: Team) -> Iterable[Any]:
        """Return the batches from this progress on, of this member of the team, without an end.

        None at all: ``network`` returns one that was fitted already, and it is saved as it is.
        With the options' seed the step fixes a batch: a resumed training sees the same ones.
        torch's global generators are not to be used here, ``data.batch_loader`` does not.
        """
        ...

    def batch_size(self, batch: Any) -> int:
        """Return the number of samples in a batch."""
        ...

    def losses_of(
        self, network: nn.Module, batch: Any, device: torch.device
    ) -> dict[str, Tensor]:
        """Return the ``losses`` of a batch, scalars with their gradients.

        It runs under ``autocast``; the network is in training mode and may be wrapped for a team.
        Random choices come from torch's global generators: the checkpoint keeps their states.
        """
        ...

    def validate(
        self, network: nn.Module, device: torch.device, picture: Path
    ) -> dict[str, float]:
        """Return mean losses and measures on validation data, {} without any; draw a picture.

        It runs without gradients and not under ``autocast``; the network is in evaluation mode
        and must be left so.
        """
        ...

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return groups for the optimizer; 'lr_scale' in one multiplies its learning rate.

        Here parameters may be frozen too: before copies are made and a team shares the network.
        """
        return decayed_matrices(network, self.options.weight_decay)

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return what takes the steps, of the groups of ``parameter_groups``."""
        return torch.optim.AdamW(groups, lr=self.options.learning_rate, fused=True)

    def decline(self, share: float) -> float:
        """Return the factor of the learning rate when this share, 0 to 1, is done: to 1 %."""
        return 0.01 + 0.99 * cosine_rate(share)

    def train_mode(self, network: nn.Module) -> None:
        """Set the network to training mode, but for what stays frozen."""
        set_train_mode(network, self.options.freeze_norm)


def decayed_matrices(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters that are trained in two groups: matrices decay, vectors don't."""
    trained = [p for p in network.parameters() if p.requires_grad]
    return [{'params': [p for p in trained if p.dim() > 1], 'weight_decay': weight_decay},
            {'params': [p for p in trained if p.dim() <= 1], 'weight_decay': 0.0}]


def set_train_mode(network: nn.Module, freeze_norm: bool) -> None:
    """Set training mode; with freeze_norm batch normalisation keeps its statistics."""
    network.train()
    if freeze_norm:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def autocast(options: CommonTrainOptions, device: torch.device) -> torch.autocast:
    """Return the context of the option precision: bfloat16 where it pays, or nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=options.precision == 'bf16')
