# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN: operators that read the features of regions of interest (RoIs)."""
