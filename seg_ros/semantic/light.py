# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The light trunk: torchvision's MobileNetV2, with a stem for depth if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from seg_ros.networks.small_trunk import GeometryFeatures, Stem
from seg_ros.weights.files import load_weights

FUSIONS = ('color', 'add')
OUTPUT_STRIDES = (8, 16, 32)
# Channels of the features at strides 2, 4, 8, 16 and 32.
CHANNELS = (16, 24, 32, 96, 320)
# The last layer of each stride in MobileNetV2's list; the one after them widens to 1280.
_ENDS = (1, 3, 6, 13, 17)


class LightTrunk(nn.Module):
    """Lead colour, and with fusion ``add`` XYZ, to features at strides 2 to 32.

    ``output_stride`` 8 or 16: the later strides become rates of atrous convolutions instead, as
    DeepLab has it, and those features stay at that stride.
    """

    channels = CHANNELS

    def __init__(self, fusion: str = 'color', output_stride: int = 32) -> None:
        """Build the trunk with random weights; ValueError for an unknown fusion or stride."""
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f'fusion {fusion!r} is unknown; accepted: {", ".join(FUSIONS)}')
        if output_stride not in OUTPUT_STRIDES:
            raise ValueError(f'output_stride {output_stride}: accepted are 8, 16 and 32')
        self.fusion, self.output_stride = fusion, output_stride
        layers = list(mobilenet_v2(weights=None).features)[:_ENDS[-1] + 1]
        self.features = nn.ModuleList(layers)
        keep_stride(self.features, output_stride)
        if fusion == 'add':
            self.geometry = GeometryFeatures()
            self.depth = Stem(GeometryFeatures.channels, GeometryFeatures.half_channels,
                              CHANNELS[:2])

    def pyramid(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Map colour and xyz (B, 3, h, w) to features at strides 2, 4, 8, 16 and 32.

        Their sides are those of the image divided by the stride, rounded up; fusion ``add`` takes
        even sides.
        """
        depth: tuple[Tensor | None, ...] = (None, None)
        if self.fusion == 'add':
            depth = self.depth(*self.geometry(xyz))
        found: list[Tensor] = []
        features = color
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index not in _ENDS:
                continue
            if len(found) < len(depth) and (more := depth[len(found)]) is not None:
                features = features + more
            found.append(features)
        return tuple(found)


def keep_stride(layers: nn.ModuleList, output_stride: int) -> None:
    """Let strides beyond output_stride become rates: the same weights see the same distances."""
    stride, rate = 1, 1
    for layer in layers:
        before = rate
        for conv in (part for part in layer.modules() if isinstance(part, nn.Conv2d)):
            if conv.kernel_size == (1, 1):
                continue
            if conv.stride == (2, 2):
                if stride >= output_stride:
                    conv.stride = (1, 1)
                    rate *= 2
                else:
                    stride *= 2
            # the layer that lost its stride still sees its input at the old distances
            conv.dilation = (before, before)
            conv.padding = (before, before)


def load_imagenet(trunk: LightTrunk, path: str | Path) -> None:
    """Load the colour part from a checkpoint of MobileNetV2 trained on ImageNet.

    Layouts: torchvision's, and that of the models before it, whose layers have the same order
    and other names; layers beyond the trunk's are left out. Raises ValueError for others.
    """
    known = _entries(trunk.features.state_dict())
    state = _entries(load_weights(path, method='semantic').state)
    named = {f'features.{key}': key for key in known}
    if named.keys() <= state.keys():  # by name: safetensors files have another order
        pairs = [(key, state[name]) for name, key in named.items()]
    else:
        pairs = list(state.items())[:len(known)]
    if [_kind(*pair) for pair in pairs] != [_kind(*pair) for pair in known.items()]:
        raise ValueError(
            f'{path} is no MobileNetV2 of width 1: its first {len(known)} entries are others or '
            "have other shapes; give torchvision's mobilenet_v2 checkpoint")
    values = {key: value for key, (_, value) in zip(known, pairs, strict=True)}
    trunk.features.load_state_dict(values, strict=False)


def _kind(key: str, value: Tensor) -> tuple[str, tuple[int, ...]]:
    """Return what a layout cannot change of an entry: weight, bias, mean or variance; shape."""
    return key.rpartition('.')[2], tuple(value.shape)


def _entries(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the counters of normalisation layers, in their order."""
    return {key: value for key, value in state.items()
            if not key.endswith('num_batches_tracked')}
