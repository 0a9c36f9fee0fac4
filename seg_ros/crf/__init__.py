# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conditional random fields."""
