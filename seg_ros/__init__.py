# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segmentation of objects that a robot has never seen, from RGB-D frames."""

__version__ = '0.1.0'
