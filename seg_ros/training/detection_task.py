# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train Mask R-CNN: data, losses and COCO's measures for the trainer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seg_ros.core.results import Instances
from seg_ros.evaluation.coco_metrics import CocoScores, CocoTruth
from seg_ros.evaluation.coco_truth import painted
from seg_ros.evaluation.unseen_metrics import FrameScore, evaluate_frame
from seg_ros.mask_rcnn.checkpoint import (
    METHOD,
    SMALL_ARCHITECTURE,
    aggregation_for,
    load_detector,
    metadata_of,
    network_of,
    use_roi,
)
from seg_ros.mask_rcnn.detections import Detections
from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.networks.preprocessing import SMALL
from seg_ros.networks.small_trunk import SmallTrunk
from seg_ros.training.data import batch_loader
from seg_ros.training.detection_data import (
    DetectionBatch,
    DetectionBatches,
    Sources,
    open_source,
    whole_samples,
)
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.training.detection_samples import DetectionSample, Objects
from seg_ros.training.parallel import Team
from seg_ros.training.pictures import Picture, overlays, write_rows
from seg_ros.training.progress import Progress
from seg_ros.training.task import Task, decayed_matrices, set_train_mode
from seg_ros.weights import Weights, load_strictly

LOSSES = ('loss', 'loss_objectness', 'loss_rpn_box_reg', 'loss_classifier', 'loss_box_reg',
          'loss_mask')
MEASURES = ('ap', 'ap50', 'ap75', 'overlap_f', 'share_above_75')
CLASS_LAYERS = ('roi_heads.box_predictor.', 'roi_heads.mask_predictor.mask_fcn_logits.')
# The score from which a validation counts an object in overlap F.
SCORE = 0.5


class DetectionTask(Task):
    """Teach a small Mask R-CNN; a batch is (images, torchvision's targets)."""

    method = METHOD
    losses = LOSSES
    measures = MEASURES
    best = 'ap'

    def __init__(self, options: DetectionTrainOptions) -> None:
        """Keep the options; nothing is read yet."""
        self.options: DetectionTrainOptions = options
        self.started_from = 'random weights'

    def open(self, data: Sequence[Path], shares: Sequence[float] | None) -> None:
        """Open train/ of each folder, and val/ where there is one; a JSON file is for training."""
        noise, named = self.options.sensor_noise, self.options.classes == 'named'
        self.train_data = Sources(
            [open_source(folder, 'train', noise, named) for folder in data], shares)
        self.val_data: Sources | None = None
        with_val = [folder for folder in data if (folder / 'val').is_dir()]
        if self.options.validation_frames and with_val:
            self.val_data = Sources(
                [open_source(folder, 'val', noise, named) for folder in with_val],
                class_names=self.train_data.class_names)

    def network(self, described: dict[str, Any] | None, init: Weights | None) -> nn.Module:
        """Build the detector of a checkpoint, of weights or of the options.

        Weights of an Unseen Clustering Network start the trunk. ValueError for others than those
        and a small detector's.
        """
        names, self.roi = self.train_data.class_names, self._wanted_roi()
        settings = {'rpn_post_nms_top_n_train': self.options.proposals,
                    'box_batch_size_per_image': self.options.rois}
        self.config = SmallDetectorConfig(fusion=self.options.fusion, num_classes=len(names) + 1)
        if described is not None:
            init = None
            self._take_description(described['config'])
        elif init is not None:
            self.config = config_for(init, self.config)
        model = small_detector(self.config, **settings)
        use_roi(model, *self.roi)
        if init is not None:
            self.started_from = init.path.name
            start_from(model, init, names)
        return model

    def _take_description(self, config: dict[str, Any]) -> None:
        """Take network and operators of a checkpoint; ValueError for one of other classes."""
        names, stored = self.train_data.class_names, tuple(config['class_names'])
        if stored != names:
            raise ValueError(
                f'the checkpoint has {len(stored)} classes ({", ".join(stored[:5])} ...), the '
                f'data {len(names)} ({", ".join(names[:5])} ...): give the same data')
        self.config = network_of(config)
        self.roi = config['roi'], config['roi_aggregation']

    def described(self, network: nn.Module, **more: Any) -> dict[str, Any]:
        """Return the metadata that load_detector reads."""
        options = self.options
        return metadata_of(
            self.config, self.train_data.class_names, (options.width, options.height),
            *self.roi, **more)

    def _wanted_roi(self) -> tuple[str, str]:
        options = self.options
        return options.roi, aggregation_for(options.roi, options.roi_aggregation)

    def data_described(self) -> list[dict[str, Any]]:
        """Return what each data set says of itself."""
        return self.train_data.describe()

    def loader(self, progress: Progress, team: Team) -> Iterable[DetectionBatch]:
        """Read a batch a step."""
        options = self.options.replaced(fusion=self.config.fusion)  # the weights' at the start
        batches = DetectionBatches(self.train_data, options, SMALL, team)
        steps: Iterator[int] = count(progress.step)
        return batch_loader(batches, steps, self.options.workers)

    def batch_size(self, batch: DetectionBatch) -> int:
        """Return the number of samples in a batch."""
        return len(batch[0])

    def losses_of(
        self, network: nn.Module, batch: DetectionBatch, device: torch.device
    ) -> dict[str, Tensor]:
        """Return torchvision's losses, the masks' weighted, and their sum 'loss'."""
        images, targets = batch
        parts = network(
            list(images.to(device)),
            [{name: value.to(device) for name, value in target.items()} for target in targets])
        parts['loss_mask'] = parts['loss_mask'] * self.options.mask_weight
        return {'loss': sum(parts.values()), **parts}

    def validate(
        self, network: nn.Module, device: torch.device, picture: Path
    ) -> dict[str, float]:
        """Return COCO's measures of masks and those of unseen objects; {} without data.

        torchvision's losses exist in training alone.
        """
        if self.val_data is None:
            return {}
        scores = CocoScores(self.train_data.class_names)
        frames: list[FrameScore] = []
        rows: list[tuple[Picture, Instances]] = []
        for sample, objects in whole_samples(self.val_data, self.options, SMALL):
            detections = self._detections(network, sample, objects, device)
            shape, names = objects.view.labels.shape, self.train_data.class_names
            scores.add_candidates(CocoTruth.from_masks(objects.masks, objects.class_ids),
                                  detections.candidates(shape, names))
            found = detections[detections.scores >= SCORE].instances(shape, names)
            frames.append(evaluate_frame(painted(objects.masks), found.labels))
            if len(rows) < self.options.pictures:
                rows.append((objects.view.color, found))
        if not frames:
            return {}
        if rows:
            with suppress(OSError):  # a picture is not worth a training
                write_rows(picture, overlays(rows))
        figures = scores.summary()['mask']
        return {
            **{name: float(figures[name.upper()] or 0.0) for name in ('ap', 'ap50', 'ap75')},
            'overlap_f': float(np.mean([frame.overlap_f for frame in frames])),
            'share_above_75': float(np.mean([frame.share_above_75 for frame in frames])),
        }

    def _detections(
        self, network: nn.Module, sample: DetectionSample, objects: Objects,
        device: torch.device,
    ) -> Detections:
        output = network([sample[0].to(device)])[0]
        size = self.options.width, self.options.height
        return Detections.of_output(output, np.divide(objects.view.labels.shape[::-1], size))

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return the heads' and the trunk's parameters, the latter at a rate of their own."""
        trunk = trunk_of(network)
        if self.options.trunk_rate == 0:
            trunk.requires_grad_(False)
        if self.options.freeze_stems:
            trunk.stems.requires_grad_(False)
        inside = {id(parameter) for parameter in trunk.parameters()}
        groups = []
        for group in decayed_matrices(network, self.options.weight_decay):
            for of_trunk, scale in ((False, 1.0), (True, self.options.trunk_rate)):
                chosen = [p for p in group['params'] if (id(p) in inside) == of_trunk]
                groups.append({**group, 'params': chosen, 'lr_scale': scale})
        return [group for group in groups if group['params']]

    def train_mode(self, network: nn.Module) -> None:
        """Set training mode; what is frozen keeps its normalisation's statistics."""
        set_train_mode(network, self.options.freeze_norm)
        for module in trunk_of(network).modules():
            own = list(module.parameters(recurse=False))
            if own and not any(p.requires_grad for p in own):
                module.eval()


def trunk_of(network: nn.Module) -> SmallTrunk:
    """Return the trunk of a small detector."""
    return cast(Any, network).backbone.trunk


def config_for(init: Weights, wanted: SmallDetectorConfig) -> SmallDetectorConfig:
    """Return the description of a network that weights can start.

    Weights of both inputs, joined by addition, can start a network of one of them.
    """
    architecture = init.metadata.get('architecture')
    config = init.metadata.get('config', {})
    if architecture == SMALL_ARCHITECTURE:
        load_detector(init)  # names what is wrong with the file
        found = dataclasses.replace(network_of(config), num_classes=wanted.num_classes)
    elif architecture == 'ucn_small':
        found = dataclasses.replace(
            wanted, fusion=config['fusion'], raised_blocks=config['raised_blocks'],
            widths=tuple(config['widths']), blocks=tuple(config['blocks']))
    else:
        raise ValueError(
            f'{init.path} holds a network {architecture!r}: weights of mask_rcnn or of '
            'unseen_objects (ucn_small) can start this one')
    if wanted.fusion in (found.fusion, DetectionTrainOptions().fusion):
        return found
    if found.fusion != 'add' or wanted.fusion not in ('color', 'depth'):
        raise ValueError(
            f'{init.path} is of fusion {found.fusion} and cannot start one of fusion '
            f'{wanted.fusion}: only add can start color or depth')
    return dataclasses.replace(found, fusion=wanted.fusion)


def start_from(model: nn.Module, init: Weights, class_names: Sequence[str]) -> None:
    """Copy what weights have of the detector: all, all but the classes, or the trunk.

    Layers that tell classes apart are copied where the classes are the same, by name and order.
    """
    part = model if init.metadata['architecture'] == SMALL_ARCHITECTURE else trunk_of(model)
    own = part.state_dict()
    given = {name: value for name, value in init.state.items() if name in own}
    if part is model:  # but for the classes the keys and shapes are the same
        same = list(class_names) == init.metadata['config']['class_names']
        given = {name: value if same or not name.startswith(CLASS_LAYERS) else own[name]
                 for name, value in given.items()}
    load_strictly(part, given, str(init.path))
