# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several nodes in one process: equal models are loaded once and serve the cameras in turn."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from seg_ros.nodes.arguments import method_from_arguments
from seg_ros.nodes.running import run_nodes
from seg_ros.nodes.segmentation_node import SegmentationNode
from seg_ros.nodes.sharing import ModelPool

_NODE, _ROS = '--node', '--ros-args'
_USAGE = (
    'usage: segmentation_container [NAMESPACE ...] [--node ROS_ARGUMENT ...] ... '
    '[--ros-args ...], for instance: segmentation_container left right, or: '
    'segmentation_container --node -r __ns:=/left -r rgb/image_rect_color:=/l/image '
    '--node -r __ns:=/right')


def nodes_of(words: list[str]) -> list[list[str]]:
    """Return the ROS arguments of each node that the words ask for.

    A NAMESPACE is a node in it; ``--node`` is followed by a node's own ROS arguments; what stands
    after ``--ros-args`` holds for all and is not returned. Raises ValueError for no node.
    """
    own = words[:words.index(_ROS)] if _ROS in words else words
    first = own.index(_NODE) if _NODE in own else len(own)
    nodes = [['-r', f'__ns:=/{word.strip("/")}'] for word in own[:first]]
    bad = next((word for word in own[:first] if word.startswith('-')), None)
    if bad is not None:
        raise ValueError(f'{bad!r} is no namespace; {_USAGE}')
    for word in own[first:]:
        if word == _NODE:
            nodes.append([])
        else:
            nodes[-1].append(word)
    if not nodes:
        raise ValueError(f'no node asked for; {_USAGE}')
    return nodes


def made_nodes(words: list[str]) -> Iterator[SegmentationNode]:
    """Yield the nodes that the words ask for, on one pool of models."""
    pool = ModelPool()
    common = words[words.index(_ROS) + 1:] if _ROS in words else []
    for own in nodes_of(words):
        yield SegmentationNode(
            method_from_arguments([*common, *own]), pool=pool, cli_args=[_ROS, *own])


def main(args: list[str] | None = None) -> int:
    """Run the nodes until they are interrupted; return the exit code."""
    program, *words = sys.argv if args is None else args
    # The nodes' own words are kept from rcl: it takes a rule outside --ros-args for one of all.
    common = words[words.index(_ROS):] if _ROS in words else []
    return run_nodes(lambda: made_nodes(words), [program, *common], 'segmentation_container')


if __name__ == '__main__':
    sys.exit(main())
