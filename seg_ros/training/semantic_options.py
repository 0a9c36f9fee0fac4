# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a training of semantic segmentation can be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seg_ros.core.options import option
from seg_ros.training.options import DrawnTrainOptions

_CONFIG_PREFIX = 'config.'


@dataclass(frozen=True)
class SemanticTrainOptions(DrawnTrainOptions):
    """Options of ``seg_ros train semantic``; a YAML file may set any of them.

    The network's own configuration is ``config``; ``config.NAME`` sets one entry of it, also as
    ``--set config.NAME=VALUE``.
    """

    network: str = option('deeplab', 'network, by its name in seg_ros.semantic.architectures')
    config: str = option(
        '{}', 'configuration of the network, a YAML or JSON mapping: {backbone: light, fusion: '
        'add, output_stride: 8}; what there is depends on the network')
    backbone_weights: str = option(
        '', 'checkpoint of ImageNet that the backbone starts from: of light that of mobilenet_v2, '
        'of vgg16 that of vgg16, both as torchvision has them')
    partial_init: bool = option(
        False, 'with --init: take what fits of other weights, a coarser stage of FCN or other '
        'classes, and start the rest anew')
    classes: str = option(
        'auto', 'classes to tell apart: fine, all names of the data; coarse, their kinds; a YAML '
        'file, class: [names]; auto: coarse for synthetic scenes, else fine')
    width: int = option(320, 'network input, pixels', minimum=32, maximum=4096)
    height: int = option(240, 'network input, pixels', minimum=32, maximum=4096)
    drop_color: float = option(
        0.05, 'share of samples without colour, of networks that take depth too',
        minimum=0.0, maximum=1.0)
    drop_depth: float = option(
        0.05, 'share of samples without depth', minimum=0.0, maximum=1.0)
    class_weights: str = option(
        '', 'weights of the classes in the loss: a mapping, {background: 0.5}, others 1; '
        'balanced: by the root of how rare they are')
    border_weights: bool = option(
        False, 'weigh pixels between instances more, as U-Net has it; for data with instances')
    border_w0: float = option(10.0, 'highest weight of a border', minimum=0.0)
    border_sigma_px: float = option(5.0, 'width of the borders, pixels', minimum=0.1)
    part_touching: bool = option(
        False, 'teach a line of background between instances that touch, as U-Net has it')
    crf_rnn: bool = option(
        False, 'end the network in a CRF as RNN, whose weights are learned with it; best with '
        '--init, after the network itself is trained')
    crf_rnn_config: str = option(
        '{}', 'of crf_rnn: a mapping, {bilateral_px: 60, bilateral_color: 8, iterations: 10, '
        'training_iterations: 5}')
    optimizer: str = option('adamw', 'what takes the steps', choices=('adamw', 'sgd'))
    momentum: float = option(0.9, 'momentum of sgd', minimum=0.0, maximum=1.0)
    schedule: str = option(
        'cosine', 'how the learning rate falls: a cosine to 1 %, or poly, (1 - share)^poly_power',
        choices=('cosine', 'poly'))
    poly_power: float = option(0.9, 'power of poly', minimum=0.0)
    pixel_views: int = option(
        400, 'of network pixelwise: views that pixels are taken of', minimum=1)
    pixels_per_view: int = option(500, 'of network pixelwise: pixels of each', minimum=1)

    def network_config(self) -> dict[str, Any]:
        """Return ``config`` as a dictionary; ValueError for what is no mapping."""
        return mapping_of('config', self.config)

    def replaced(self, **values: Any) -> SemanticTrainOptions:
        """Return a copy with new values, ``config.NAME`` among them; errors as Options has."""
        parts = {name: values.pop(name) for name in list(values)
                 if name.startswith(_CONFIG_PREFIX)}
        for name in ('config', 'class_weights', 'crf_rnn_config'):
            if isinstance(values.get(name), Mapping):  # as a YAML file may have it
                values[name] = json.dumps(values[name])
        if parts:
            config = mapping_of('config', values.get('config', self.config))
            config |= {name.removeprefix(_CONFIG_PREFIX): _value(name, value)
                       for name, value in parts.items()}
            values['config'] = json.dumps(config)
        return super().replaced(**values)


def mapping_of(name: str, text: str) -> dict[str, Any]:
    """Return an option's YAML or JSON mapping; ValueError names the option and what came."""
    found = {} if not text.strip() else _value(name, text)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ValueError(f'{name} is {text!r}, a mapping is accepted: {{backbone: light}}')
    return found


def _value(name: str, value: Any) -> Any:
    import yaml

    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError as error:
        raise ValueError(f'{name} is {value!r}, which is no YAML: {error}') from None
