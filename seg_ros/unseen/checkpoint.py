# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Build the network that weights were made for and load them strictly."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from seg_ros.networks.preprocessing import PUBLISHED, SMALL, Preprocessing
from seg_ros.unseen.network_published import PublishedUcn
from seg_ros.unseen.network_small import TRAINED, SmallUcn, SmallUcnConfig
from seg_ros.weights import Weights, load_strictly

LOGGER = logging.getLogger(__name__)

ARCHITECTURES = ('ucn_small', 'ucn_resnet34')
METHOD = 'unseen_objects'


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """Hold a network with what its weights say of its inputs; ``input_size`` is (w, h)."""

    network: nn.Module
    preprocessing: Preprocessing
    input_size: tuple[int, int]
    architecture: str
    fusion: str


def build_network(architecture: str, **config: Any) -> nn.Module:
    """Build 'ucn_small' or 'ucn_resnet34' with random weights; config as in their classes."""
    if architecture == 'ucn_small':
        for name in {'widths', 'blocks'} & config.keys():
            config[name] = tuple(config[name])
        return SmallUcn(SmallUcnConfig(**config))
    if architecture == 'ucn_resnet34':
        return PublishedUcn(**config)
    raise ValueError(
        f'architecture {architecture!r} is unknown; accepted: {", ".join(ARCHITECTURES)}')


def new_network(architecture: str, fusion: str) -> nn.Module:
    """Build the network that a training starts with, with random weights."""
    if architecture == 'ucn_small':
        return SmallUcn(dataclasses.replace(TRAINED, fusion=fusion))
    return build_network(architecture, fusion=fusion)


def default_preprocessing(architecture: str) -> Preprocessing:
    """Return the preprocessing that the architecture is trained with."""
    return SMALL if architecture == 'ucn_small' else PUBLISHED


def one_branch_of(network: nn.Module, fusion: str) -> nn.Module:
    """Return a network of the color or depth branch alone, with the weights of one of both.

    Both branches must be joined by addition (fusion add): what follows them then fits. Raises
    ValueError for other networks and fusions.
    """
    if (not isinstance(network, SmallUcn) or network.config.fusion != 'add'
            or fusion not in ('color', 'depth')):
        kind = getattr(getattr(network, 'config', network), 'fusion', 'unknown')
        raise ValueError(
            f'weights of fusion {kind} cannot start a {type(network).__name__} of fusion '
            f'{fusion}: only the small network of fusion add can start one of color or depth')
    branch = SmallUcn(dataclasses.replace(network.config, fusion=fusion))
    known = network.state_dict()
    branch.load_state_dict({name: known[name] for name in branch.state_dict()})
    return branch


def metadata_of(
    network: nn.Module, architecture: str, input_size: tuple[int, int], **more: Any
) -> dict[str, Any]:
    """Return the metadata that make saved weights complete: network_of_weights reads it."""
    if isinstance(network, SmallUcn):
        config = network.config.as_dict()
    elif isinstance(network, PublishedUcn):
        config = {'fusion': network.fusion}
    else:
        raise ValueError(f'{type(network).__name__} is no Unseen Clustering Network')
    config['input_size'] = list(input_size)
    config['preprocessing'] = default_preprocessing(architecture).as_dict()
    return {'method': METHOD, 'architecture': architecture, 'config': config, **more}


def network_of_weights(weights: Weights, fusion: str | None = None) -> LoadedNetwork:
    """Build the network of loaded weights, in eval mode.

    Weights without metadata are taken for a published checkpoint (640x480); `fusion` then says
    which of add, cat, early, color, depth it is, as far as its keys don't. Raises ValueError
    naming missing, extra or misshapen keys, for a fusion that contradicts the metadata, and
    where one branch may be color's or depth's.
    """
    if not weights.metadata:
        state = published_layout(weights.state)
        chosen = fusion or published_fusion(state, str(weights.path))
        network: nn.Module = PublishedUcn(chosen)
        load_strictly(network, state, str(weights.path))
        return LoadedNetwork(network.eval(), PUBLISHED, (640, 480), 'ucn_resnet34', chosen)
    architecture, config = _described(weights)
    if fusion not in (None, config['fusion']):
        raise ValueError(
            f'{weights.path} was trained with fusion {config["fusion"]!r}, not {fusion!r}')
    preprocessing = Preprocessing.from_dict(config.pop('preprocessing'))
    width, height = config.pop('input_size')
    network = _built(architecture, config, weights)
    load_strictly(network, weights.state, str(weights.path))
    return LoadedNetwork(
        network.eval(), preprocessing, (int(width), int(height)), architecture, config['fusion'])


def _described(weights: Weights) -> tuple[str, dict[str, Any]]:
    architecture = weights.metadata.get('architecture')
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f'{weights.path} holds a network {architecture!r}; accepted: '
            f'{", ".join(ARCHITECTURES)}')
    config = dict(weights.metadata.get('config', {}))
    missing = {'fusion', 'preprocessing', 'input_size'} - set(config)
    if missing:
        raise ValueError(f'{weights.path}: its metadata lacks config.{sorted(missing)[0]}')
    return architecture, config


def _built(architecture: str, config: dict[str, Any], weights: Weights) -> nn.Module:
    try:
        return build_network(architecture, **config)
    except TypeError as error:
        raise ValueError(f'{weights.path}: its metadata fit no {architecture}: {error}') from error


def published_layout(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Unwrap a published checkpoint: an outer 'model' or 'state_dict', a leading 'module.'."""
    for outer in ('model', 'state_dict'):
        if isinstance(state.get(outer), Mapping):
            state = state[outer]
    prefix = 'module.'
    if state and all(key.startswith(prefix) for key in state):
        state = {key[len(prefix):]: value for key, value in state.items()}
    return dict(state)


def published_fusion(state: Mapping[str, Tensor], source: str) -> str:
    """Return the fusion that a published checkpoint's keys tell; two branches are taken for add.

    Add and cat have the same keys: a warning says so. ValueError for one branch of three inputs.
    """
    entry = state.get('fcn.resnet34_8s.conv1.weight')
    if entry is None:  # no such checkpoint: strict loading names what is missing
        return 'add'
    if any(key.startswith('fcn_depth.') for key in state):
        LOGGER.warning(
            '%s is taken for a network of fusion add: set the option fusion to cat if it is one, '
            'its keys do not tell', source)
        return 'add'
    if entry.ndim == 4 and entry.shape[1] == 6:
        return 'early'
    raise ValueError(
        f'{source} has one branch of three inputs: set the option fusion to color or depth')
