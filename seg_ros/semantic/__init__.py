# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Semantic segmentation: a class for every pixel, by FCN, DeepLab, U-Net and others."""
