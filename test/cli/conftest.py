# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import trivial_segmenter  # noqa: F401  (registers the methods the tests use)
from small_frames import small_frame

from seg_ros.core.io import write_frame, write_labels


@pytest.fixture
def frames(tmp_path):
    """A folder of three frames with ground truth."""
    folder = tmp_path / 'frames'
    folder.mkdir()
    for index in range(3):
        frame, labels = small_frame(index)
        write_frame(folder, f'{index:03d}', frame)
        write_labels(folder / f'{index:03d}-labels.png', labels)
    return folder
