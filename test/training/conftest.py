# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A tiny data set."""

import pytest
import torch
from training_views import write_view


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """Return a folder with train (4 views) and val (2 views)."""
    root = tmp_path_factory.mktemp('views')
    for split, count, first in (('train', 4, 0), ('val', 2, 100)):
        (root / split).mkdir()
        for index in range(count):
            write_view(root / split, f'{index:06d}_0', first + index)
        (root / split / 'dataset.json').write_text('{}')
    return root
