# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What of the live topics is shown."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.nodes.rerun_view import RerunView

DEFAULT_RESULTS = '/unseen_objects'


def view_topics(
    args: argparse.Namespace, recording: Callable[[], AbstractContextManager[Any]],
    make_view: Callable[..., RerunView],
) -> RerunView:
    """Show live topics until the signal or the duration; return what showed them."""
    from seg_ros.nodes.process import simple_node, spin_until

    with simple_node('seg_ros_viewer') as (node, stop), recording() as shown:
        from seg_ros.nodes.latency import COLOR, DEPTH, INFO
        from seg_ros.nodes.live_topics import LiveTopics

        view = make_view(shown, has_points=True)
        results = '/' + (args.results or DEFAULT_RESULTS).strip('/')
        topics = LiveTopics(node, {
            'color': args.color_topic or COLOR, 'depth': args.depth_topic or DEPTH,
            'camera_info': args.camera_info_topic or INFO, 'diagnostics': '/diagnostics',
            **{kind: f'{results}/{kind}' for kind in ('label', 'markers', 'points')},
        }, lambda kind, message: view.show(kind, message, time.time_ns()))

        def look() -> bool:
            topics.discover()
            return False

        spin_until(node, look, stop, args.duration or float('inf'))
    for topic in topics.missing():
        print(f'{topic}: nobody published it')
    return view
