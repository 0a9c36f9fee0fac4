# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The FCNs written down as functions of a state dict with Caffe's names, and by loops."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SMALL = {'widths': [4, 6, 8, 6, 8], 'fc_width': 8}
CLASSES = 3
# Every kind of FCN at a size of which its grids are symmetric: no pool is rounded, and the first
# and the last score lie as far inside the image.
KINDS = {
    'alexnet 32s': ('fcn32s', {'backbone': 'alexnet', **SMALL}, 59),
    'vgg16 32s': ('fcn32s', SMALL, 58),
    'vgg16 16s': ('fcn16s', SMALL, 58),
    'vgg16 8s': ('fcn8s', SMALL, 58),
    'light 32s': ('fcn32s', {'backbone': 'light'}, 65),
    'light 16s': ('fcn16s', {'backbone': 'light'}, 65),
    'light 8s': ('fcn8s', {'backbone': 'light'}, 65),
}


@torch.no_grad()
def stirred(network, seed=0):
    """Give score layers, deconvolutions and biases random weights, so that all of them show.

    Normalisation layers learn what they normalise: else a light trunk's features would die out.
    """
    torch.manual_seed(seed)
    for name, value in network.named_parameters():
        if name.startswith('score'):
            value.normal_(std=0.5)
        elif value.ndim == 1 or (name.startswith('upscore') and value.requires_grad):
            value += 0.1 * torch.randn_like(value)
    normalisations = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in normalisations:
        part.momentum = 1.0
    if normalisations:
        network.train()(torch.randn(2, 3, 96, 64), torch.rand(2, 3, 96, 64))
    return network.double().eval()


def convolved(state, name, maps, **options):
    return functional.conv2d(maps, state[f'{name}.weight'], state[f'{name}.bias'], **options)


def vgg16_maps(state, color):
    """Return pool3, pool4 and fc7's maps."""
    kept, maps = [], color
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for index in range(1, depth + 1):
            padding = 100 if (stage, index) == (1, 1) else 1
            maps = convolved(state, f'conv{stage}_{index}', maps, padding=padding).relu()
        maps = functional.max_pool2d(maps, 2, 2, ceil_mode=True)
        kept.append(maps)
    maps = convolved(state, 'fc7', convolved(state, 'fc6', maps).relu()).relu()
    return kept[2], kept[3], maps


def vgg16_fcn(state, color, stride, scales=(1, 1)):
    """Compute FCN-32s, 16s or 8s from a state with Caffe's names."""
    def deconvolved(name, maps, step):
        return functional.conv_transpose2d(maps, state[f'{name}.weight'], stride=step)

    height, width = color.shape[2:]
    pool3, pool4, fc7 = vgg16_maps(state, color)
    scores = convolved(state, 'score_fr', fc7)
    if stride == 32:
        up = deconvolved('upscore', scores, 32)
        return up[:, :, 19:19 + height, 19:19 + width]
    up = deconvolved('upscore2', scores, 2)
    skip = convolved(state, 'score_pool4', pool4 * scales[0])
    scores = up + skip[:, :, 5:5 + up.shape[2], 5:5 + up.shape[3]]
    if stride == 16:
        up = deconvolved('upscore16', scores, 16)
        return up[:, :, 27:27 + height, 27:27 + width]
    up = deconvolved('upscore_pool4', scores, 2)
    skip = convolved(state, 'score_pool3', pool3 * scales[1])
    scores = up + skip[:, :, 9:9 + up.shape[2], 9:9 + up.shape[3]]
    up = deconvolved('upscore8', scores, 8)
    return up[:, :, 31:31 + height, 31:31 + width]


def alexnet_fcn(state, color):
    """Compute FCN-32s on AlexNet."""
    def pooled(maps):
        return functional.max_pool2d(maps, 3, 2, ceil_mode=True)

    def normalised(maps):
        return functional.local_response_norm(maps, 5, 1e-4, 0.75)

    maps = normalised(pooled(convolved(state, 'conv1', color, stride=4, padding=100).relu()))
    maps = normalised(pooled(convolved(state, 'conv2', maps, padding=2, groups=2).relu()))
    maps = convolved(state, 'conv3', maps, padding=1).relu()
    maps = convolved(state, 'conv4', maps, padding=1, groups=2).relu()
    maps = pooled(convolved(state, 'conv5', maps, padding=1, groups=2).relu())
    scores = convolved(state, 'score_fr',
                       convolved(state, 'fc7', convolved(state, 'fc6', maps).relu()).relu())
    up = functional.conv_transpose2d(scores, state['upscore.weight'], stride=32)
    return up[:, :, 18:18 + color.shape[2], 18:18 + color.shape[3]]


def placed_deconvolution(maps, weight, size):
    """Put kernels 3x3 around pixel 2 i of the finer map for each i, and one more at the end."""
    maps = functional.pad(maps, (0, 1, 0, 1), mode='replicate').numpy()
    _, classes, height, width = maps.shape
    found = np.zeros((classes, 2 * height + 1, 2 * width + 1))
    for v in range(height):
        for u in range(width):
            kernel = np.einsum('c,cdij->dij', maps[0, :, v, u], weight.numpy())
            found[:, 2 * v:2 * v + 3, 2 * u:2 * u + 3] += kernel
    return torch.from_numpy(found[None, :, 1:1 + size[0], 1:1 + size[1]])


def interpolated(maps, stride, size):
    """Interpolate linearly between scores at pixels stride * i; the last one goes on beyond."""
    found = maps[0].numpy()
    for axis in (1, 2):
        at = np.arange(found.shape[axis]) * stride
        found = np.apply_along_axis(
            lambda row, at=at, axis=axis: np.interp(np.arange(size[axis - 1]), at, row),
            axis, found)
    return torch.from_numpy(found[None])


def light_fcn(network, color, xyz):
    """Compute an FCN on the light trunk from the trunk's features."""
    state = network.state_dict()
    *_, at8, at16, at32 = network.trunk.pyramid(color, xyz)
    scores, stride = convolved(state, 'score_fr', at32), 32
    for finer, up, score in ((at16, 'upscore2', 'score_pool4'),
                             (at8, 'upscore_pool4', 'score_pool3')):
        if stride > network.stride:
            raised = placed_deconvolution(scores, state[f'{up}.weight'], finer.shape[2:])
            scores, stride = raised + convolved(state, score, finer), stride // 2
    return interpolated(scores, stride, color.shape[2:])
