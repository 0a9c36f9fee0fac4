# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights: the shipped ones with their model cards, and the one loader of files."""

from seg_ros.weights.files import (
    Weights,
    load_weights,
    save_weights,
    shipped_names,
    weights_path,
)
from seg_ros.weights.strict import check_fit, load_strictly

__all__ = [
    'Weights', 'check_fit', 'load_strictly', 'load_weights', 'save_weights', 'shipped_names',
    'weights_path']
