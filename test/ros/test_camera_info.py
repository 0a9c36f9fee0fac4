# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import cv2
import numpy as np
import pytest
from ros_helpers import camera_info
from sensor_msgs.msg import RegionOfInterest

from seg_ros.core.frame import CameraModel
from seg_ros.nodes.camera_info import Rectifier, camera_model, is_rectified_topic

K = [100.0, 0.0, 39.5, 0.0, 110.0, 29.5, 0.0, 0.0, 1.0]
P = [90.0, 0.0, 40.5, -3.0, 0.0, 95.0, 30.5, 0.0, 0.0, 0.0, 1.0, 0.0]
ZERO_P = [0.0] * 12


def info(**changes):
    return camera_info(**{'width': 80, 'height': 60, 'k': K, 'p': P, **changes})


@pytest.mark.parametrize(('message', 'rectified', 'expected'), [
    (info(), True, (80, 60, 90.0, 95.0, 40.5, 30.5, None)),
    (info(), False, (80, 60, 100.0, 110.0, 39.5, 29.5, None)),
    (info(p=ZERO_P), True, (80, 60, 100.0, 110.0, 39.5, 29.5, None)),
    (info(d=[0.1, 0.2, 0.0, 0.0, 0.0]), True, (80, 60, 90.0, 95.0, 40.5, 30.5, None)),
    (info(d=[0.1, 0.2, 0.0, 0.0, 0.0]), False,
     (80, 60, 100.0, 110.0, 39.5, 29.5, (0.1, 0.2, 0.0, 0.0, 0.0))),
    (info(d=[0.0] * 5), False, (80, 60, 100.0, 110.0, 39.5, 29.5, None)),
    # A pixel of a 2x2 bin has its centre between the four: c' = (c + 0.5) / 2 - 0.5.
    (info(binning_x=2, binning_y=2), True, (40, 30, 45.0, 47.5, 20.0, 15.0, None)),
    (info(binning_x=1, binning_y=0), True, (80, 60, 90.0, 95.0, 40.5, 30.5, None)),
    (info(binning_x=2, binning_y=1), True, (40, 60, 45.0, 95.0, 20.0, 30.5, None)),
    (info(roi=RegionOfInterest(x_offset=10, y_offset=20, width=40, height=30)), True,
     (40, 30, 90.0, 95.0, 30.5, 10.5, None)),
    (info(roi=RegionOfInterest(x_offset=10, y_offset=20, width=40, height=30), binning_x=2,
          binning_y=2), True, (20, 15, 45.0, 47.5, 15.0, 5.0, None)),
    (info(binning_x=3, binning_y=3), True,
     (26, 20, 30.0, 95 / 3, 41 / 3 - 0.5, 31 / 3 - 0.5, None)),
])
def test_the_camera_of_the_images(message, rectified, expected):
    found = camera_model(message, rectified=rectified)
    assert (found.width, found.height) == expected[:2]
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(expected[2:6])
    assert found.distortion == expected[6]


@pytest.mark.parametrize(('message', 'rectified', 'text'), [
    (info(k=[0.0] * 9, p=ZERO_P), True, r'not calibrated \(K and P are zero\)'),
    (info(k=[0.0] * 9, p=ZERO_P), False, r'not calibrated \(K and P are zero\)'),
    (info(k=[0.0] * 9), False, 'K zero: only P is set, use the rectified image'),
    (info(width=0, height=0), True, 'size 0x0'),
    (info(roi=RegionOfInterest(x_offset=60, width=40, height=30)), True, 'camera_info roi: crop'),
    (info(binning_x=100, binning_y=100), True, 'leaves no pixel'),
    (info(k=[0.0, *K[1:]], p=ZERO_P), True, 'focal lengths must be positive'),
    (info(k=[float('nan'), *K[1:]], p=ZERO_P), True, 'must be finite'),
])
def test_unusable_camera_info_is_refused(message, rectified, text):
    with pytest.raises(ValueError, match=text):
        camera_model(message, rectified=rectified)


@pytest.mark.parametrize(('topic', 'rectified'), [
    ('/rgb/image_rect_color', True), ('/depth_registered/image_rect', True),
    ('/camera/image_rectified', True), ('/camera/depth/image_rect_raw', True),
    ('/camera/camera/color/image_raw', False), ('/rectangle/image', False),
    ('/camera/direct', False), ('/image_rect/raw', False)])
def test_rectified_topics_by_name(topic, rectified):
    assert is_rectified_topic(topic) is rectified


DISTORTIONS = [
    ('plumb_bob', (0.12, -0.2, 0.001, -0.002, 0.05)),
    ('', (0.12, -0.2, 0.001, -0.002)),
    ('rational_polynomial', (0.3, -0.2, 0.001, 0.0, 0.05, 0.1, 0.02, 0.01)),
    ('equidistant', (0.05, -0.02, 0.003, 0.0)),
]


def distorted_pixel(model, distortion, camera, point):
    """Project a point by the cameras' own formulas, as an oracle."""
    x, y = point[0] / point[2], point[1] / point[2]
    r = np.hypot(x, y)
    if model == 'equidistant':
        theta = np.arctan(r)
        scale = theta * (1 + sum(k * theta ** (2 * n + 2) for n, k in enumerate(distortion))) / r
        xd, yd = x * scale, y * scale
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = [*distortion, *[0.0] * (8 - len(distortion))]
        s = r * r
        radial = (1 + k1 * s + k2 * s**2 + k3 * s**3) / (1 + k4 * s + k5 * s**2 + k6 * s**3)
        xd = x * radial + 2 * p1 * x * y + p2 * (s + 2 * x * x)
        yd = y * radial + p1 * (s + 2 * y * y) + 2 * p2 * x * y
    return camera.fx * xd + camera.cx, camera.fy * yd + camera.cy


@pytest.mark.parametrize(('model', 'distortion'), DISTORTIONS)
def test_raw_images_are_undistorted_and_labels_brought_back(model, distortion):
    raw_camera = CameraModel(160, 120, 120.0, 118.0, 79.0, 61.0, distortion)
    rectifier = Rectifier(raw_camera, model)
    camera = rectifier.camera
    assert camera.distortion is None
    for u, v in ((30, 25), (120, 90), (80, 60), (140, 30)):
        point = ((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0)
        x, y = distorted_pixel(model, distortion, raw_camera, point)
        raw = np.zeros((120, 160, 3), np.uint8)
        cv2.circle(raw, (round(x), round(y)), 5, (200, 0, 0), -1)
        seen = rectifier.color(raw)[..., 0] > 100
        rows, columns = np.nonzero(seen)
        assert (columns.mean(), rows.mean()) == pytest.approx((u, v), abs=0.7)
        labels = np.where(seen, 7, 0).astype(np.int32)
        back = rectifier.labels_to_raw(labels) == 7
        truth = raw[..., 0] > 100
        assert (back & truth).sum() / (back | truth).sum() > 0.85


def test_undistorted_depth_is_never_mixed_of_two_surfaces():
    rectifier = Rectifier(CameraModel(80, 60, 60.0, 60.0, 39.5, 29.5, DISTORTIONS[0][1]), '')
    depth = np.full((60, 80), 1.0, np.float32)
    depth[:, 40:] = 2.0
    found = rectifier.depth(depth)
    assert set(np.unique(found[np.isfinite(found)])) == {1.0, 2.0}


# At a focal length of 60 pixels this distortion has no inverse in the corner.
@pytest.mark.parametrize('focal', [60.0, 100.0])
def test_outside_the_raw_image_there_is_no_depth_and_no_label(focal):
    rectifier = Rectifier(CameraModel(80, 60, 60.0, 60.0, 39.5, 29.5, (0.4, 0.1, 0.0, 0.0)), '')
    assert np.isnan(rectifier.depth(np.ones((60, 80), np.float32))[0, 0])
    barrel = Rectifier(CameraModel(80, 60, focal, focal, 39.5, 29.5, (-0.3, 0.0, 0.0, 0.0)), '')
    back = barrel.labels_to_raw(np.ones((60, 80), np.int32))
    assert back[0, 0] == 0
    assert back[30, 40] == 1


@pytest.mark.parametrize(('model', 'distortion', 'text'), [
    ('thin_prism_unknown', (0.1,) * 5, "'thin_prism_unknown' is unknown: plumb_bob"),
    ('plumb_bob', (0.1,) * 3, 'plumb_bob distortion has 3 coefficients'),
    ('equidistant', (0.1,) * 5, 'equidistant distortion has 5 coefficients, 4 are needed'),
])
def test_unknown_distortion_is_refused(model, distortion, text):
    with pytest.raises(ValueError, match=text):
        Rectifier(CameraModel(80, 60, 60.0, 60.0, 40.0, 30.0, distortion), model)
