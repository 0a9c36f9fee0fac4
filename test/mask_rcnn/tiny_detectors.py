# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Detectors of a few thousand random weights that find something in any picture."""

import numpy as np
import torch
from torch import nn

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.mask_rcnn.checkpoint import metadata_of, use_roi
from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.networks.inputs import example_inputs
from seg_ros.networks.preprocessing import SMALL
from seg_ros.weights import save_weights

NAMES = ('cup', 'bowl', 'box')


def tiny_config(**changes):
    values = {'widths': (4, 6, 8, 8, 8), 'blocks': (0, 0, 0, 0), 'raised_blocks': 0, 'channels': 8,
              'box_width': 16, 'mask_layers': 1, 'anchor_sizes': (8, 16, 32, 48, 64),
              'num_classes': len(NAMES) + 1, **changes}
    return SmallDetectorConfig(**values)


def stir_norms(model, seed):
    """Draw what batch normalisations have learned."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in ((module.running_mean, -0.3, 0.3),
                                      (module.running_var, 0.3, 1.0), (module.weight, 0.8, 1.6)):
                tensor.data.copy_(torch.rand(tensor.shape, generator=generator)
                                  * (high - low) + low)


def stirred(model, image):
    """Spread a model's random outputs, so that scores, classes and masks differ by place."""
    heads = model.eval().roi_heads
    for layer, spread in ((model.rpn.head.cls_logits, 2.0), (model.rpn.head.bbox_pred, 0.2),
                          (heads.box_predictor.cls_score, 2.0),
                          (heads.box_predictor.bbox_pred, 1.0),
                          (heads.mask_predictor.mask_fcn_logits, 3.0)):
        outputs = []
        hook = layer.register_forward_hook(lambda _, __, output, to=outputs: to.append(output))
        with torch.no_grad():
            model([image])
        hook.remove()
        centre_outputs(layer, torch.cat([o.movedim(1, -1).flatten(0, -2) for o in outputs]),
                       spread)
    return model


def centre_outputs(layer, rows, spread):
    """Give each channel of a layer that had outputs (N, C) mean 0 and a standard deviation."""
    scale = spread / rows.std(dim=0).clamp(min=1e-6)
    with torch.no_grad():
        layer.weight *= scale.view(-1, *[1] * (layer.weight.ndim - 1))
        layer.bias.copy_((layer.bias - rows.mean(dim=0)) * scale)


def tiny_detector(seed=0, roi=None, **changes):
    """Return a detector in eval mode."""
    torch.manual_seed(seed)
    image = torch.cat(example_inputs(SMALL, (96, 64)), dim=1)[0]
    model = small_detector(tiny_config(**changes))
    stir_norms(model, seed)
    stirred(model, image)
    if roi is not None:
        use_roi(model, *roi)
    return model.eval()


def write_tiny(path, *, seed=0, names=NAMES, size=(96, 64), roi=('align', 'average'), state=None,
               **changes):
    """Save a detector as it ships; returns the path."""
    changes.setdefault('num_classes', len(names) + 1)
    model = tiny_detector(seed, **changes)
    save_weights(path, model.state_dict() if state is None else state,
                 metadata_of(tiny_config(**changes), names, size, *roi))
    return path


def camera_of(width, height):
    return CameraModel(width, height, width, width, (width - 1) / 2, (height - 1) / 2)


def frame_of(width=96, height=64, seed=0, depth=True):
    """Return boxes of random colours on a table one metre away."""
    rng = np.random.default_rng(seed)
    color = np.full((height, width, 3), 120, np.uint8)
    depth_m = np.full((height, width), 1.0, np.float32)
    for _ in range(6):
        x, y = rng.integers(width), rng.integers(height)
        part = slice(y, y + max(height // 4, 1)), slice(x, x + max(width // 5, 1))
        color[part], depth_m[part] = rng.integers(0, 256, 3), rng.uniform(0.7, 0.95)
    depth_m[:height // 20] = np.nan
    return RgbdFrame(color, depth_m if depth else None, camera_of(width, height))
