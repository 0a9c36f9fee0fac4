# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""PyMaxflow's cuts, for those who have it (GPL, never required): what ours are compared with."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from seg_ros.crf import grid_moves
from seg_ros.crf.grid import GridCrf
from seg_ros.crf.grid_search import GridResult, Settings


def peer_is_installed() -> bool:
    """Tell whether PyMaxflow can be imported."""
    return find_spec('maxflow') is not None


def by_pymaxflow(crf: GridCrf, settings: dict[str, Any]) -> GridResult:
    """Return alpha-expansion's labelling, where PyMaxflow cuts the graphs of our moves."""
    with patch.object(grid_moves, 'minimum_cut', _cut_by_pymaxflow):
        return grid_moves.alpha_expansion(crf.problem, Settings(**settings))


def _cut_by_pymaxflow(
    capacity: npt.NDArray[np.float64], terminal: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.int64], on_sink_side: npt.NDArray[np.bool_],
) -> float:
    """Cut as ``minimum_cut`` does, for 4 neighbours."""
    maxflow = import_module('maxflow')
    width = int(offsets[1])
    shape = (len(terminal) // width, width)
    arcs = capacity.reshape(*shape, -1)
    graph = maxflow.Graph[float]()
    nodes = graph.add_grid_nodes(shape)
    for direction, (dy, dx) in enumerate(((0, 1), (1, 0), (0, -1), (-1, 0))):
        structure = np.zeros((3, 3))
        structure[1 + dy, 1 + dx] = 1
        graph.add_grid_edges(nodes, arcs[..., direction], structure, symmetric=False)
    ends = terminal.reshape(shape)
    graph.add_grid_tedges(nodes, np.maximum(ends, 0), np.maximum(-ends, 0))
    flow = float(graph.maxflow())
    on_sink_side[:] = graph.get_grid_segments(nodes).reshape(-1)
    return flow
