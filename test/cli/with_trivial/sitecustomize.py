# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Register the trivial methods in every Python process that has this folder on its path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import trivial_segmenter  # noqa: E402, F401
