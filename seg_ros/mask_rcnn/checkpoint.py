# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Build the detector that weights were made for and load them strictly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import BatchNorm2d
from torchvision.models import detection, get_weight
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import FrozenBatchNorm2d

from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.mask_rcnn.roi import MultiLevelRoi, check_roi_operator
from seg_ros.networks.preprocessing import SMALL, Preprocessing
from seg_ros.networks.published import torchvision_weights
from seg_ros.weights import Weights, load_strictly, load_weights

METHOD = 'mask_rcnn'
SMALL_ARCHITECTURE = 'mask_rcnn_small'
# Names of weights that torchvision publishes, and what they are called there.
PUBLISHED = {
    'coco': 'MaskRCNN_ResNet50_FPN_Weights.COCO_V1',
    'coco_v1': 'MaskRCNN_ResNet50_FPN_Weights.COCO_V1',
    'coco_v2': 'MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1',
}
COCO_CLASSES = 91
MAX_CLASSES = 65535
NETWORK_FIELDS = frozenset(field.name for field in dataclasses.fields(SmallDetectorConfig))
_CLASS_KEY = 'roi_heads.box_predictor.cls_score.weight'
_V1_KEY = 'roi_heads.box_head.fc6.weight'  # version 2 has convolutions there


@dataclass(frozen=True, eq=False)
class LoadedDetector:
    """Hold a detector in eval mode with what its weights say of its inputs and classes.

    ``class_names`` has no background: label k of the detector is name k - 1. ``roi`` are the
    operator and the aggregation that it was trained with. ``preprocessing`` and
    ``input_size`` (w, h) are None for torchvision's, which scale and normalise by themselves.
    """

    model: MaskRCNN
    architecture: str
    class_names: tuple[str, ...]
    fusion: str
    roi: tuple[str, str]
    preprocessing: Preprocessing | None
    input_size: tuple[int, int] | None


def published_weights(name: str) -> Weights:
    """Return torchvision's COCO weights 'coco' (v1) or 'coco_v2', downloaded if need be.

    FileNotFoundError says which file to put where when they cannot be downloaded.
    """
    return torchvision_weights(name, PUBLISHED[name], METHOD)


def detector_weights(name: str | Path) -> Weights:
    """Load weights by 'default', a shipped name, 'coco', 'coco_v2' or a path."""
    return (published_weights(str(name)) if str(name) in PUBLISHED
            else load_weights(name, method=METHOD))


def load_detector(weights: Weights) -> LoadedDetector:
    """Build the detector of loaded weights, in eval mode.

    Weights without metadata are taken for one of torchvision's layouts. Raises ValueError naming
    missing, extra or misshapen keys, and both numbers where classes and names differ.
    """
    if not weights.metadata:
        return _torchvision_detector(weights)
    config = _described(weights)
    check_class_count(weights, len(config['class_names']) + 1)
    try:
        loaded = _empty_detector(config)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'{weights.path}: its metadata fit no {SMALL_ARCHITECTURE}: {error}') from error
    load_strictly(loaded.model, weights.state, str(weights.path))
    return loaded


def _empty_detector(config: dict[str, Any]) -> LoadedDetector:
    """Build a small detector of a complete description, its weights to be loaded."""
    preprocessing = Preprocessing.from_dict(config['preprocessing'])
    width, height = (int(side) for side in config['input_size'])
    if min(width, height) < 1:
        raise ValueError(f'input_size {width}x{height}: sides start at 1x1')
    described, roi = network_of(config), (config['roi'], config['roi_aggregation'])
    model = small_detector(described)
    use_roi(model, *roi)
    return LoadedDetector(model.eval(), SMALL_ARCHITECTURE, tuple(config['class_names']),
                          described.fusion, roi, preprocessing, (width, height))


def network_of(config: Mapping[str, Any]) -> SmallDetectorConfig:
    """Return the network that weights' config describes; its other entries play no part."""
    read: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in config.items() if key in NETWORK_FIELDS}
    return SmallDetectorConfig(**{**read, 'num_classes': len(config['class_names']) + 1})


def metadata_of(
    config: SmallDetectorConfig, class_names: Sequence[str], input_size: tuple[int, int],
    roi: str = 'align', roi_aggregation: str = 'average', **more: Any,
) -> dict[str, Any]:
    """Return the metadata that make saved weights complete: load_detector reads it."""
    values = config.as_dict()
    del values['num_classes']
    return {'method': METHOD, 'architecture': SMALL_ARCHITECTURE, 'config': {
        **values, 'class_names': list(class_names), 'input_size': list(input_size),
        'preprocessing': SMALL.as_dict(), 'roi': roi, 'roi_aggregation': roi_aggregation}, **more}


def use_roi(model: MaskRCNN, operator: str, aggregation: str) -> None:
    """Let box and mask heads read regions by another operator; ValueError for an unknown one."""
    check_roi_operator(operator, aggregation, model.roi_heads.box_roi_pool.sampling_ratio)
    for name in ('box_roi_pool', 'mask_roi_pool'):
        pool = getattr(model.roi_heads, name)
        setattr(model.roi_heads, name, MultiLevelRoi(
            list(pool.featmap_names), pool.output_size[0], pool.sampling_ratio,
            operator=operator, aggregation=aggregation, canonical_scale=pool.canonical_scale,
            canonical_level=pool.canonical_level))


def aggregation_for(operator: str, asked: str) -> str:
    """Return how a bin's samples are joined: as asked, or for 'auto' as papers have it."""
    if asked != 'auto':
        return asked
    return 'max' if operator == 'pool' else 'average'


def check_class_count(weights: Weights, expected: int) -> None:
    """Raise ValueError naming both numbers where weights have other classes than expected."""
    found = class_count(weights)
    if found != expected:
        raise ValueError(
            f'{weights.path} has {found} classes with background, {expected} were expected: give '
            'weights of these classes, or train with --init, which starts the last layers anew')
    if found > MAX_CLASSES + 1:
        raise ValueError(
            f'{weights.path} has {found - 1} classes: at most {MAX_CLASSES} can be published')


def class_count(weights: Weights) -> int:
    """Return the number of classes that weights tell apart, background included."""
    last: Tensor | None = weights.state.get(_CLASS_KEY)
    if last is None or last.ndim != 2:
        raise ValueError(f'{weights.path} is no Mask R-CNN: it has no matrix {_CLASS_KEY}')
    return int(last.shape[0])


def _torchvision_detector(weights: Weights) -> LoadedDetector:
    """Build the architecture that the keys are of; torchvision's layout of either age is taken."""
    count = class_count(weights)
    name = 'maskrcnn_resnet50_fpn' + ('' if _V1_KEY in weights.state else '_v2')
    model = v1_detector(weights.state) if _V1_KEY in weights.state else (
        detection.maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, num_classes=count))
    try:  # torchvision renames the keys of older files
        model.load_state_dict(dict(weights.state), strict=True)
    except RuntimeError as error:
        raise ValueError(f'{weights.path} does not fit {name}: {error}') from error
    model.transform.postprocess = boxes_at_input
    return LoadedDetector(
        model.eval(), name, published_names(count), 'color', ('align', 'average'), None, None)


def v1_detector(state: Mapping[str, Tensor]) -> MaskRCNN:
    """Build torchvision's maskrcnn_resnet50_fpn as it was when this state was saved.

    Its COCO weights, and what is trained from them, have normalisation layers that are frozen and
    add nothing to the variance; ``maskrcnn_resnet50_fpn(weights=None)`` has plain ones, which
    count their batches.
    """
    plain = any(key.endswith('num_batches_tracked') for key in state)
    backbone = resnet_fpn_backbone(
        backbone_name='resnet50', weights=None, trainable_layers=3,
        norm_layer=BatchNorm2d if plain else FrozenBatchNorm2d)
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0
    return MaskRCNN(backbone, num_classes=len(state[_CLASS_KEY]))


def boxes_at_input(
    result: list[dict[str, Tensor]], image_shapes: list[tuple[int, int]],
    original_sizes: list[tuple[int, int]],
) -> list[dict[str, Tensor]]:
    """Scale boxes to the images as they came; masks stay at the size of their head."""
    return [{**found, 'boxes': resize_boxes(found['boxes'], seen, size)}
            for found, seen, size in zip(result, image_shapes, original_sizes, strict=True)]


def published_names(count: int) -> tuple[str, ...]:
    """Return COCO's names for its 91 classes, else numbers."""
    if count != COCO_CLASSES:
        return tuple(f'class {number}' for number in range(1, count))
    return tuple(get_weight(PUBLISHED['coco']).meta['categories'][1:])


def _described(weights: Weights) -> dict[str, Any]:
    architecture = weights.metadata.get('architecture')
    if architecture != SMALL_ARCHITECTURE:
        raise ValueError(
            f'{weights.path} holds a network {architecture!r}; accepted: {SMALL_ARCHITECTURE}')
    config = dict(weights.metadata.get('config', {}))
    needed = {'class_names', 'preprocessing', 'input_size', 'roi', 'roi_aggregation', 'fusion'}
    missing = sorted(needed - set(config))
    if missing:
        raise ValueError(f'{weights.path}: its metadata lacks config.{missing[0]}')
    names = config['class_names']
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{weights.path}: config.class_names is {names!r}, a list of names is '
                         'accepted')
    unknown = sorted(set(config) - needed - NETWORK_FIELDS)
    if unknown:
        raise ValueError(f'{weights.path}: its metadata have an unknown config.{unknown[0]}')
    return config
