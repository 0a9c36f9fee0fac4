# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN: torchvision's detector, a small one for RGB-D frames, RoI operators of choice."""
