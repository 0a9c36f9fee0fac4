# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Middleware settings of these tests: this machine only, a domain of their own."""

import os
from pathlib import Path

import pytest

PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds_images.xml'

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_LOCALHOST_ONLY'] = '0'
# Two runs of the tests on one machine must not hear each other.
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 30 * 3)
os.environ['FASTDDS_DEFAULT_PROFILES_FILE'] = str(PROFILE)
if os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy'):
    os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(PROFILE)

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
