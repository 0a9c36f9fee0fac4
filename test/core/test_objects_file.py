# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.objects import describe_objects, score_for_json, write_objects
from seg_ros.core.results import Instances


def test_objects_carry_class_and_score(tmp_path):
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 3:9], labels[10:12, 20:30] = 1, 2
    found = Instances(labels, np.array([0.93456, np.nan], np.float32), np.array([1, 2], np.int32),
                      np.array([7, 3], np.int32), ('background', 'mug', 'bottle'))
    entries = describe_objects(RgbdFrame(np.zeros((20, 30, 3), np.uint8)), found)
    assert entries == [
        {'id': 7, 'class': 'mug', 'score': 0.9346, 'box_xyxy': [3, 2, 9, 6], 'area_px': 24,
         'centroid_m': None},
        {'id': 3, 'class': 'bottle', 'score': None, 'box_xyxy': [20, 10, 30, 12], 'area_px': 20,
         'centroid_m': None}]
    write_objects(tmp_path / 'objects.json', {'000': entries})
    assert json.loads((tmp_path / 'objects.json').read_text()) == {'000': entries}


@pytest.mark.parametrize(('score', 'expected'), [
    (0.0, 0.0), (1.0, 1.0), (0.123456, 0.1235), (float('nan'), None)])
def test_scores_for_json(score, expected):
    assert score_for_json(score) == expected
