# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The registry of semantic networks: one entry a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.semantic.foreign import PUBLISHED
from seg_ros.semantic.model import SemanticModel, SemanticNetwork

# ImageNet's colours, as torchvision and the light trunk take them.
IMAGENET = Preprocessing('rgb', (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Caffe's, as the published FCN and DeepLab: BGR levels of 0 to 255 less the mean.
CAFFE = Preprocessing(
    'bgr', (104.00699 / 255, 116.66877 / 255, 122.67892 / 255), (1 / 255, 1 / 255, 1 / 255))
# Plain colours of 0 to 1.
PLAIN = Preprocessing('rgb', (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Architecture:
    """Describe a network.

    ``build`` is ``module:function``, called as ``build(num_classes=L, **config)``; it returns a
    SemanticNetwork with random weights and raises ValueError for a config that cannot be built.
    ``preprocessing`` is how it is trained unless its backbone or weights say otherwise.
    """

    name: str
    build: str
    preprocessing: Preprocessing
    summary: str


ARCHITECTURES: dict[str, Architecture] = {}


def register(architecture: Architecture) -> None:
    """Add an architecture; ValueError for a name that is taken."""
    if architecture.name in ARCHITECTURES:
        raise ValueError(f'network {architecture.name!r} is registered already')
    ARCHITECTURES[architecture.name] = architecture


def architecture_named(name: str) -> Architecture:
    """Return a registered architecture; ValueError names the known ones."""
    if name not in ARCHITECTURES:
        raise ValueError(f'network {name!r} is unknown; known are {", ".join(ARCHITECTURES)}')
    return ARCHITECTURES[name]


def build_network(name: str, num_classes: int, **config: Any) -> SemanticNetwork:
    """Build a network with random weights; ValueError for an unknown name or a config amiss."""
    module, function = architecture_named(name).build.split(':')
    build: Callable[..., SemanticNetwork] = getattr(import_module(module), function)
    try:
        inspect.signature(build).bind(num_classes=num_classes, **config)
    except TypeError as error:
        raise ValueError(f'network {name}: {error}') from error
    return build(num_classes=num_classes, **config)


def build_model(name: str, class_names: Sequence[str], **config: Any) -> SemanticModel:
    """Build a model with random weights for these classes; errors as ``build_network``."""
    network = build_network(name, len(class_names), **config)
    preprocessing = network.preprocessing or architecture_named(name).preprocessing
    return SemanticModel(network, name, config, class_names, preprocessing)


register(Architecture(
    'fcn32s', 'seg_ros.semantic.fcn:fcn32s', CAFFE,
    'FCN-32s (Long et al., 2015): one deconvolution of stride 32'))
register(Architecture(
    'fcn16s', 'seg_ros.semantic.fcn:fcn16s', CAFFE,
    'FCN-16s (Long et al., 2015): with the scores of pool4'))
register(Architecture(
    'fcn8s', 'seg_ros.semantic.fcn:fcn8s', CAFFE,
    'FCN-8s (Long et al., 2015): with the scores of pool4 and pool3'))
register(Architecture(
    'deeplab', 'seg_ros.semantic.deeplab:build_deeplab', IMAGENET,
    'DeepLab: LargeFOV or ASPP (head) over VGG16 or MobileNetV2 (backbone)'))
for _name in PUBLISHED:
    register(Architecture(
        _name, f'seg_ros.semantic.torchvision_networks:{_name}', IMAGENET,
        f"torchvision's {_name}, colour only"))
register(Architecture(
    'unet', 'seg_ros.semantic.unet:build', IMAGENET,
    'U-Net, padded or as published, or on a light trunk (backbone light)'))
register(Architecture(
    'pixelwise', 'seg_ros.semantic.pixelwise:build', PLAIN,
    'each pixel by itself, from colour, depth and position: what context is measured against'))
