# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights that torchvision publishes: downloaded, or where to put the file."""

from __future__ import annotations

from pathlib import Path

from seg_ros.weights import Weights, load_weights


def torchvision_weights(name: str, entry_name: str, method: str) -> Weights:
    """Return the weights of a torchvision entry such as 'FCN_ResNet50_Weights.DEFAULT'.

    ``name`` is what they are called here. FileNotFoundError says which file to put where when
    they cannot be downloaded.
    """
    import torch
    from torchvision.models import get_weight

    entry = get_weight(entry_name)
    path = Path(torch.hub.get_dir()) / 'checkpoints' / Path(entry.url).name
    if not path.is_file():
        try:
            entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except Exception as error:  # no network, a proxy's answer, a full disk
            raise FileNotFoundError(
                f'the weights {name} could not be downloaded ({error}): put {entry.url} at '
                f'{path}, or anywhere and give its path as weights') from error
    return load_weights(path, method=method)
