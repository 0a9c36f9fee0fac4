# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure the package and its peers: warm-up, fresh inputs, peers in turns, medians and spread."""
