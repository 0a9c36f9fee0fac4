# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Label images: the nearest label."""

import numpy as np
import pytest

from seg_ros.core.labels import nearest_label


@pytest.mark.parametrize(('labels', 'expected'), [
    ([[0, 0, 0]], [[0, 0, 0]]), ([[5, 0, 0]], [[5, 5, 5]]), ([[1, 0, 0, 0, 9]], None)])
def test_background_takes_the_nearest_object(labels, expected):
    found = nearest_label(np.array(labels, np.int32))
    if expected is None:
        assert found[0].tolist() in ([1, 1, 1, 9, 9], [1, 1, 9, 9, 9])
    else:
        assert found.tolist() == expected
