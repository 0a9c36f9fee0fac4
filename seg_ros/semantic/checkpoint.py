# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Build the semantic network that weights were made for and load them strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros.crf.rnn import CrfRnn
from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.semantic.architectures import architecture_named, build_network
from seg_ros.semantic.class_groups import ClassGroups
from seg_ros.semantic.foreign import PUBLISHED, ForeignModel
from seg_ros.semantic.model import LEAST_SIDE, MOST_CLASSES, SemanticModel
from seg_ros.weights import Weights, check_fit, load_strictly, load_weights, shipped_names

METHOD = 'semantic'
AUTO = 'auto'
# What knows a layout of somebody else's, asked in this order: state -> ForeignModel or None.
FOREIGN = (
    'seg_ros.semantic.fcn_checkpoint:foreign_fcn',
    'seg_ros.semantic.unet:foreign_unet',
    'seg_ros.semantic.torchvision_networks:foreign_torchvision',
)
_PUBLISHED_WEIGHTS = 'seg_ros.semantic.torchvision_networks:published_semantic'
_CONFIG = ('class_names', 'input_size', 'network', 'preprocessing')
_CRF_RNN = 'crf_rnn'  # beside them where the model ends in a CRF


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """Hold a model in eval mode, the (w, h) of the images that it was trained on and its file.

    ``input_size`` is None where weights do not tell it: the network sees frames as they come.
    ``class_groups`` are the names of the data that each class stood for in training, if known.
    """

    model: SemanticModel
    input_size: tuple[int, int] | None
    path: Path
    class_groups: ClassGroups | None = None


def metadata_of(model: SemanticModel, input_size: tuple[int, int], **more: Any) -> dict[str, Any]:
    """Return the metadata that make ``model.state_dict()`` complete: ``load_model`` reads them.

    ``input_size`` (w, h), pixels; ``more`` are entries beside method, architecture and config.
    """
    config = {
        'class_names': list(model.class_names), 'input_size': list(input_size),
        'network': dict(model.config), 'preprocessing': model.preprocessing.as_dict()}
    if model.crf is not None:
        config[_CRF_RNN] = dict(model.crf.config)
    return {'method': METHOD, 'architecture': model.architecture, 'config': config, **more}


def semantic_weights(name: str | Path) -> Weights:
    """Load weights by 'default', a shipped name, torchvision's name of a network, or a path."""
    if str(name) in PUBLISHED:
        published: Weights = _imported(_PUBLISHED_WEIGHTS)(str(name))
        return published
    return load_weights(name, method=METHOD)


def weights_of_network(network: str, weights: str | Path) -> Weights:
    """Load the weights of a network; ``network`` 'auto' is whatever the weights hold.

    With ``weights`` 'default' they are those that ship or are published under the network's name.
    Raises ValueError for an unknown network, FileNotFoundError where it has no such weights.
    """
    if network == AUTO:
        return semantic_weights(weights)
    if network not in PUBLISHED:
        architecture_named(network)
    if str(weights) not in ('', 'default'):
        return semantic_weights(weights)
    if network in PUBLISHED or f'{METHOD}_{network}' in shipped_names():
        return semantic_weights(network)
    if METHOD in shipped_names():
        found = semantic_weights('default')
        if found.metadata.get('architecture') == network:
            return found
    raise FileNotFoundError(
        f'no weights of network {network} ship: train some (seg_ros train {METHOD}) or give a '
        f'file as weights; {", ".join(_named_networks())} have theirs')


def _named_networks() -> list[str]:
    shipped = [name.removeprefix(f'{METHOD}_') for name in shipped_names()
               if name.startswith(f'{METHOD}_')]
    return [*shipped, *PUBLISHED]


def load_model(weights: Weights, network: str = AUTO) -> LoadedModel:
    """Build the model of loaded weights, in eval mode.

    Weights without metadata are taken for one of the foreign layouts in ``FOREIGN``. Raises
    ValueError, which names the file, for weights of another network than the one asked for, for
    missing, extra or misshapen keys, and for metadata that do not describe the weights.
    """
    loaded = _own_model(weights) if weights.metadata else _foreign_model(weights)
    check_network(network, loaded.model, str(weights.path))
    loaded.model.eval()
    return loaded


def check_network(network: str, model: SemanticModel, source: str) -> None:
    """Raise ValueError where a model is not of the network asked for; 'auto' takes any."""
    if network not in (AUTO, model.architecture):
        raise ValueError(
            f'{source} holds the network {model.architecture}, not {network}: set network to '
            f'{AUTO} or {model.architecture}, or choose other weights')


def _own_model(weights: Weights) -> LoadedModel:
    config = _described(weights)
    # Shapes first: a file must not ask for more memory than its weights fill.
    with torch.device('meta'):
        sketch = _random_model(weights)
    _check_classes(sketch, weights)
    check_fit(sketch, weights.state, str(weights.path))
    model = _random_model(weights)
    load_strictly(model, weights.state, str(weights.path))
    width, height = config['input_size']
    return LoadedModel(model, (width, height), weights.path, _class_groups(weights))


def _class_groups(weights: Weights) -> ClassGroups | None:
    """Return what each class stands for; None where the metadata do not tell it."""
    members = weights.metadata.get('class_groups')
    if members is None:
        return None
    names = weights.metadata['config']['class_names']
    if not isinstance(members, dict) or list(members) != names or not all(
            isinstance(group, list) and all(isinstance(name, str) for name in group)
            for group in members.values()):
        raise ValueError(f'{weights.path}: class_groups of its metadata is {members!r}, a list of '
                         f'names for each of {", ".join(names)} is accepted')
    try:
        return ClassGroups({name: tuple(group) for name, group in members.items()})
    except ValueError as error:
        raise ValueError(f'{weights.path}: class_groups of its metadata: {error}') from None


def _random_model(weights: Weights) -> SemanticModel:
    """Build the model that the metadata describe; ValueError, naming the file, if none can be."""
    try:
        return described_model(weights.metadata)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{weights.path}: its metadata fit no network: {error}') from error


def described_model(metadata: Mapping[str, Any]) -> SemanticModel:
    """Build the model that complete metadata describe, with random weights.

    ValueError or TypeError for a description that cannot be built.
    """
    config, architecture = metadata['config'], str(metadata.get('architecture'))
    names = tuple(config['class_names'])
    options = {key: tuple(value) if isinstance(value, list) else value
               for key, value in config['network'].items()}
    crf = CrfRnn(len(names), **config[_CRF_RNN]) if _CRF_RNN in config else None
    return SemanticModel(
        build_network(architecture, len(names), **options), architecture, config['network'],
        names, Preprocessing.from_dict(config['preprocessing']), crf)


def _described(weights: Weights) -> dict[str, Any]:
    """Return the config of the metadata, complete and of the right types."""
    config = weights.metadata.get('config')
    if not isinstance(config, dict) or sorted({*config} - {_CRF_RNN}) != sorted(_CONFIG):
        found = sorted(config) if isinstance(config, dict) else type(config).__name__
        raise ValueError(f'{weights.path}: config of its metadata has {found}, needed are '
                         f'{", ".join(_CONFIG)}')
    names, size = config['class_names'], config['input_size']
    for part in ('network', 'preprocessing', _CRF_RNN):
        if not isinstance(config.get(part, {}), dict):
            raise ValueError(f'{weights.path}: config.{part} is {config[part]!r}, an object of '
                             'names and values is accepted')
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f'{weights.path}: config.class_names is {names!r}, a list of names is accepted')
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(f'{weights.path} names {len(names)} classes: an 8-bit class image holds '
                         f'1 to {MOST_CLASSES}')
    sides = size if isinstance(size, list) and len(size) == 2 else [0, 0]
    if not all(type(side) is int and side >= LEAST_SIDE for side in sides):
        raise ValueError(f'{weights.path}: config.input_size is {size!r}, a width and a height of '
                         f'{LEAST_SIDE} pixels or more are accepted')
    return config


def _check_classes(network: nn.Module, weights: Weights) -> None:
    """Raise ValueError where the keys that do not fit are all of another number of classes."""
    count = len(weights.metadata['config']['class_names'])
    pairs = _unlike_sides(network.state_dict(), weights.state)
    if len(pairs) == 1 and (found := pairs.pop())[1] == count:
        raise ValueError(
            f'{weights.path} has {found[0]} classes, its class_names are {count}: give the names '
            'of these weights, or weights of these classes')


def _unlike_sides(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> set[tuple[int, int]]:
    """Return the (found, expected) sides of tensors that have a rank and differ in a side."""
    return {
        (found, wanted)
        for key in expected.keys() & state.keys() if state[key].ndim == expected[key].ndim
        for found, wanted in zip(state[key].shape, expected[key].shape, strict=True)
        if found != wanted}


def _foreign_model(weights: Weights) -> LoadedModel:
    """Build the network of a layout that one of ``FOREIGN`` knows."""
    for place in FOREIGN:
        try:
            found: ForeignModel | None = _imported(place)(weights.state)
            if found is not None:
                return LoadedModel(_translated(found, str(weights.path)), None, weights.path)
        except ValueError as error:
            raise ValueError(f'{weights.path}: {error}') from error
    shown = ', '.join(list(weights.state)[:3])
    raise ValueError(
        f'{weights.path} is of no layout known here (its keys begin {shown}): accepted are weights'
        " of `seg_ros train semantic`, wkentaro's FCN, the Carvana U-Net, and torchvision's FCN, "
        'DeepLabv3 and LR-ASPP')


def _translated(found: ForeignModel, source: str) -> SemanticModel:
    network = build_network(found.architecture, len(found.class_names), **found.config)
    load_strictly(network, found.state, source)
    return SemanticModel(
        network, found.architecture, found.config, found.class_names, found.preprocessing)


def _imported(place: str) -> Callable[..., Any]:
    module, name = place.split(':')
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
