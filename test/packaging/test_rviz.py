# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The RViz configuration: display classes that exist, topics that the node has."""

from pathlib import Path

import pytest
import yaml

CONFIG = yaml.safe_load((Path(__file__).parents[2] / 'config' / 'perception.rviz').read_text())
DISPLAYS = {display['Name']: display for display in CONFIG['Visualization Manager']['Displays']}


@pytest.mark.parametrize(('name', 'kind', 'topic', 'durability'), [
    ('Overlay', 'Image', 'overlay', 'Volatile'),
    ('Label', 'Image', 'label', 'Transient Local'),
    ('Objects', 'MarkerArray', 'markers', 'Volatile'),
    ('Support planes', 'MarkerArray', 'support_planes', 'Volatile'),
    ('Points', 'PointCloud2', 'points', 'Transient Local'),
    ('Poses', 'PoseArray', 'poses', 'Transient Local'),
])
def test_each_display_asks_for_what_the_node_offers(name, kind, topic, durability):
    display = DISPLAYS[name]
    assert display['Class'] == f'rviz_default_plugins/{kind}'
    assert display['Topic']['Value'] == f'/unseen_objects/{topic}'
    assert display['Topic']['Durability Policy'] == durability
    assert display['Topic']['Reliability Policy'] == 'Reliable'


def test_what_is_looked_at_is_on():
    assert {name for name, display in DISPLAYS.items() if display['Enabled']} == {
        'Overlay', 'Label', 'Objects', 'Points'}
