# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""All that knows ROS: conversions, synchroniser, worker, parameters, publishers and the node."""
