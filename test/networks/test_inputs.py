# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""At which size a network sees a camera's image."""

import pytest

from seg_ros.networks.inputs import network_size


@pytest.mark.parametrize(('camera', 'expected'), [
    ((640, 480), (320, 240)), ((320, 240), (320, 240)), ((1280, 720), (368, 208)),
    ((480, 640), (240, 320)), ((1, 1), (272, 272)), ((4000, 10), (2400, 32)),
    ((10, 4000), (32, 2400)),
])
def test_the_network_sees_the_cameras_aspect_at_the_weights_area(camera, expected):
    assert network_size(camera, (320, 240)) == expected


@pytest.mark.parametrize(('scale', 'expected'), [
    (1.0, (320, 240)), (1.4, (448, 336)), (0.7, (224, 160)), (2.0, (640, 480)), (0.25, (80, 64))])
def test_the_input_scale_changes_the_sides(scale, expected):
    assert network_size((640, 480), (320, 240), scale) == expected
