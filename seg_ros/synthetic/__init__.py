# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic RGB-D scenes with instance labels: objects, physics, rendering, sensor noise, data
sets.
"""
