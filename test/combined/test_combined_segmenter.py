# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Both methods behind one call: options under prefixes, one result, the errors of both."""

import numpy as np
import pytest

from seg_ros.combined.options import CombinedOptions
from seg_ros.combined.segmenter import CombinedSegmenter, load_combined
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.results import Instances
from seg_ros.mask_rcnn.checkpoint import metadata_of
from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.segmenters import METHODS
from seg_ros.unseen.options import UnseenOptions
from seg_ros.weights import save_weights

CAMERA = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
FRAME = RgbdFrame(np.full((48, 64, 3), 90, np.uint8), np.full((48, 64), 0.8, np.float32), CAMERA)


class Fixed:
    """Give one result, remember the options."""

    device, backend, needs_depth = 'cpu', 'torch', False

    def __init__(self, result, backend='torch', needs_depth=False):
        self.result, self.backend, self.needs_depth = result, backend, needs_depth

    def segment(self, frame):
        """Return the result."""
        return self.result

    def check_options(self, options):
        """Refuse one name."""
        if options.classes == 'nobody':
            raise ValueError('nobody unknown')


def halves():
    """Return two results: one object of two rows each, the second named."""
    labels = np.zeros((48, 64), np.int32)
    labels[10:20, 10:30] = 1
    one = np.ones(1, np.int32)
    return Instances.from_labels(labels), Instances(
        labels, np.array([0.75], np.float32), np.zeros(1, np.int32), one, ('mug',))


def test_what_one_outlined_the_other_names():
    first, second = halves()
    segmenter = CombinedSegmenter(
        Fixed(first, 'openvino', True), Fixed(second), CombinedOptions())
    result = segmenter.segment(FRAME)
    assert [result.class_names[k] for k in result.class_ids] == ['mug']
    assert result.scores.tolist() == [0.75]
    assert (result.labels == first.labels).all()
    assert segmenter.needs_depth
    assert segmenter.backend == 'openvino+torch'
    assert set(segmenter.timings) == {'unseen_objects', 'mask_rcnn', 'combine', 'total'}


def test_options_reach_both_methods_and_the_joining():
    outlines, names = Fixed(halves()[0]), Fixed(halves()[1])
    segmenter = CombinedSegmenter(outlines, names, CombinedOptions())
    segmenter.options = CombinedOptions(
        unseen_min_area=70, mask_rcnn_score_threshold=0.9, add_named=False)
    assert outlines.options == UnseenOptions(min_area=70)
    assert names.options == MaskRcnnOptions(score_threshold=0.9)
    assert not segmenter.options.rules().add_named


def test_options_that_the_weights_cannot_serve_change_nothing():
    segmenter = CombinedSegmenter(Fixed(halves()[0]), Fixed(halves()[1]), CombinedOptions())
    with pytest.raises(ValueError, match='nobody unknown'):
        segmenter.options = CombinedOptions(mask_rcnn_classes='nobody')
    assert segmenter.options == CombinedOptions()


def test_every_option_of_both_methods_is_there_with_its_range():
    specs = {spec.name: spec for spec in CombinedOptions.specs()}
    for prefix, kind in (('unseen_', UnseenOptions), ('mask_rcnn_', MaskRcnnOptions)):
        for spec in kind.specs():
            assert specs[prefix + spec.name].default == spec.default
            assert specs[prefix + spec.name].choices == spec.choices
    with pytest.raises(ValueError, match='unseen_kappa is 1000'):
        CombinedOptions(unseen_kappa=1000.0)


@pytest.mark.parametrize('options', [UnseenOptions(), None, MaskRcnnOptions()])
def test_other_options_are_refused(options):
    with pytest.raises(ValueError, match='options must be CombinedOptions'):
        CombinedSegmenter(Fixed(None), Fixed(None), options)


@pytest.fixture
def tiny_detector(tmp_path):
    """Return a file of random weights of a detector of one class."""
    config = SmallDetectorConfig(widths=(4, 8, 8, 8, 8), channels=8, box_width=8, mask_layers=1)
    path = tmp_path / 'tiny.safetensors'
    save_weights(path, small_detector(config).state_dict(),
                 metadata_of(config, ('gadget',), (64, 48)))
    return path


@pytest.mark.slow
def test_the_registry_s_loader_builds_both(tiny_detector):
    assert METHODS['combined'].result == 'instances'
    options = CombinedOptions(mask_rcnn_score_threshold=0.99)
    segmenter = load_combined(tiny_detector, 'cpu', 'torch', options)
    result = segmenter.segment(FRAME)
    assert result.class_names == ('object', 'gadget')
    with pytest.raises(ValueError, match='no depth'):
        segmenter.segment(RgbdFrame(FRAME.color, None, None))
    with pytest.raises(ValueError, match='CombinedOptions'):
        load_combined(tiny_detector, options=UnseenOptions())
