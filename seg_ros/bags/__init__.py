# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reading and writing rosbag2 (sqlite3 and mcap) by the rosbags library: no ROS is needed."""
