# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several processes that train one network, as torchrun starts them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Team:
    """Say which of how many processes this is; a training without torchrun is a team of one."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Return whether this process writes files and validates."""
        return self.rank == 0

    def share(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network with gradients averaged over the team."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        places = [device.index or 0] if device.type == 'cuda' else None
        return DistributedDataParallel(network, device_ids=places)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Return whether the flag is set in any process: all of them stop at the same step."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
        return bool(value.item())

    def means(self, values: dict[str, float], device: torch.device) -> dict[str, float]:
        """Return the means of values over the team, the same in every process."""
        if self.size == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), device=device, dtype=torch.float32)
        torch.distributed.all_reduce(total)
        return dict(zip(values, (total / self.size).tolist(), strict=True))

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.size > 1:
            torch.distributed.barrier()


def join_team(device: str) -> tuple[Team, str]:
    """Join the processes that torchrun started; returns the team and this one's device.

    Each takes the GPU of its local rank where the device is 'auto' or 'cuda' and there is one,
    else the CPU, by gloo. Without torchrun's environment it is a team of one.
    """
    size = int(os.environ.get('WORLD_SIZE', '1'))
    if size == 1:
        return Team(), device
    local = int(os.environ.get('LOCAL_RANK', '0'))
    on_gpu = device in ('auto', 'cuda') and torch.cuda.is_available()
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('nccl' if on_gpu else 'gloo')
    if on_gpu:
        torch.cuda.set_device(local)
    return Team(torch.distributed.get_rank(), size), f'cuda:{local}' if on_gpu else device


def leave_team(team: Team) -> None:
    """End the process group, where there is one."""
    if team.size > 1 and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
