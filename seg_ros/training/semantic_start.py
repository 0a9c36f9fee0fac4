# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a training of semantic segmentation starts from: a new model, weights, fitted pixels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from seg_ros.crf.rnn import CrfRnn
from seg_ros.semantic.architectures import architecture_named, build_model
from seg_ros.semantic.checkpoint import described_model, load_model, metadata_of
from seg_ros.semantic.class_groups import ClassGroups
from seg_ros.semantic.model import SemanticModel
from seg_ros.training.semantic_data import ClassSources, whole_views
from seg_ros.training.semantic_options import SemanticTrainOptions, mapping_of
from seg_ros.weights import Weights

logger = logging.getLogger(__name__)

PIXELWISE = 'pixelwise'


def metadata_for(
    model: SemanticModel, size: tuple[int, int], groups: ClassGroups, **more: Any
) -> dict[str, Any]:
    """Return the metadata that load_model reads, and which names each class stands for."""
    stands_for = {name: list(names) for name, names in groups.members.items()}
    return metadata_of(model, size, class_groups=stands_for, **more)


def checkpoint_model(described: dict[str, Any], class_names: Sequence[str]) -> SemanticModel:
    """Build the model of a checkpoint; ValueError for one of other classes than the data."""
    check_names('the checkpoint', described['config']['class_names'], class_names)
    return described_model(described)


def end_in_crf(model: SemanticModel, options: SemanticTrainOptions) -> None:
    """Give the model a CRF as RNN, unless it ends in one; ValueError for a config amiss."""
    config = mapping_of('crf_rnn_config', options.crf_rnn_config)
    if model.crf is not None:
        if config and any(model.crf.config.get(key) != value for key, value in config.items()):
            raise ValueError(f'crf_rnn_config is {config}, the weights end in a CRF of '
                             f'{model.crf.config}: leave it out')
        return
    try:
        model.crf = CrfRnn(len(model.class_names), **config)
    except TypeError as error:
        raise ValueError(f'crf_rnn_config is {config}: {error}') from error


def check_names(source: str, stored: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise ValueError where the classes of weights are not those of the data, in their order."""
    if tuple(stored) != tuple(wanted):
        raise ValueError(
            f'{source} tells {len(stored)} classes apart ({_few(stored)}), the data name '
            f'{len(wanted)} ({_few(wanted)}): choose others by the option classes, or start from '
            'the weights with partial_init=true')


def _few(names: Sequence[str]) -> str:
    return ', '.join(names[:12]) + (' ...' if len(names) > 12 else '')


def new_model(options: SemanticTrainOptions, data: ClassSources) -> tuple[SemanticModel, str]:
    """Return the model of the options and what it starts from, in words.

    Network pixelwise is fitted here. ValueError for an unknown network, a config amiss, and
    backbone_weights that don't fit or have no backbone to go to.
    """
    if options.network == PIXELWISE:
        return fitted_pixelwise(options, data)
    model = build_model(options.network, data.class_names, **options.network_config())
    if not options.backbone_weights:
        return model, 'random weights'
    path = Path(options.backbone_weights)
    try:
        model.network.load_imagenet(path)
    except ValueError as error:
        raise ValueError(
            f'backbone_weights {path}, network {model.architecture} {model.config}: {error}'
        ) from error
    model.preprocessing = model.network.preprocessing or model.preprocessing
    return model, f'backbone: {path.name}'


def started_model(
    init: Weights, options: SemanticTrainOptions, data: ClassSources
) -> tuple[SemanticModel, str]:
    """Return the model that weights start, and what they are in words.

    They say which network, unless partial_init lets one of the options take what fits.
    ValueError for other classes, another network than asked for, and where nothing fits.
    """
    if options.partial_init:
        return partly_started(init, options, data)
    model = load_model(init).model
    if options.network not in (model.architecture, SemanticTrainOptions().network):
        raise ValueError(
            f'{init.path} is of network {model.architecture}, asked for {options.network}: leave '
            'that out, or give partial_init=true')
    check_names(str(init.path), model.class_names, data.class_names)
    return model.train(), init.path.name


def partly_started(
    init: Weights, options: SemanticTrainOptions, data: ClassSources
) -> tuple[SemanticModel, str]:
    """Return a new model with the tensors of the weights that have its names and shapes."""
    model, _ = new_model(options, data)
    own = model.state_dict()
    fits = {key: value for key, value in init.state.items()
            if key in own and value.shape == own[key].shape}
    if not fits:
        raise ValueError(f'{init.path}: none of its {len(init.state)} tensors fits '
                         f'{model.architecture} {model.config}')
    missing = [key for key in own if key not in fits and not key.endswith('num_batches_tracked')]
    extra = [key for key in init.state if key not in fits]
    model.load_state_dict({**own, **fits})
    logger.info('%s gives %d tensors; new: %s; left out: %s', init.path, len(fits),
                ', '.join(missing) or 'none', ', '.join(extra) or 'none')
    return model, f'{init.path.name}, {len(fits)} of {len(fits) + len(missing)} tensors'


def fitted_pixelwise(
    options: SemanticTrainOptions, data: ClassSources
) -> tuple[SemanticModel, str]:
    """Return the network of single pixels, fitted to some of the training views.

    ``config`` may have what fit_pixelwise takes: hidden, rounds. ValueError for others.
    """
    from seg_ros.semantic.pixelwise import PixelSamples, fit_pixelwise, sample_pixels

    preprocessing = architecture_named(PIXELWISE).preprocessing
    rng, size = np.random.default_rng(options.seed), (options.width, options.height)
    parts: list[PixelSamples] = []
    for color, xyz, item in whole_views(data, options, preprocessing, options.pixel_views):
        classes = cv2.resize(item.classes, size, interpolation=cv2.INTER_NEAREST_EXACT)
        parts.append(sample_pixels(
            color[0], xyz[0], torch.from_numpy(classes), options.pixels_per_view, rng))
    if not parts:
        raise ValueError('none of the training views could be read')
    samples, config = PixelSamples.joined(parts), options.network_config()
    try:
        network = fit_pixelwise(samples, len(data.class_names), options.seed, **config)
    except TypeError as error:
        raise ValueError(f'network {PIXELWISE}: {error}') from error
    kept = {key: value for key, value in config.items() if key == 'hidden'}
    model = SemanticModel(network, PIXELWISE, kept, data.class_names, preprocessing)
    return model, (f'a perceptron of scikit-learn, fitted to {len(samples.classes)} pixels of '
                   f'{len(parts)} views')
