# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames, results, geometry, drawing and files: numpy, OpenCV and scipy only."""
