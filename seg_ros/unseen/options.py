# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of unseen object segmentation."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import option
from seg_ros.crf.dense_options import InstanceCrfOptions


@dataclass(frozen=True)
class UnseenOptions(InstanceCrfOptions):
    """Hold the parameters of unseen object segmentation; each says what it does."""

    fusion: str = option(
        'auto',
        'how colour and depth join in the network; auto: as the weights say. Of the '
        'default weights color takes those made for it, depth the default ones without a look at '
        'colour. A published checkpoint does not say it: its two branches are add unless cat is '
        'given, one branch needs color or depth',
        choices=('auto', 'add', 'cat', 'early', 'color', 'depth'), live=False,
    )
    input_scale: float = option(
        1.0,
        'sides of the image that the network sees, relative to what its weights ask for: less is '
        'faster and loses small objects',
        minimum=0.25, maximum=4.0,
    )
    background: str = option(
        'auto',
        "how the background is found: by the network's foreground head, as the clusters on or "
        'behind the support plane, or as the largest cluster (the published rule; it loses '
        'an object that fills the image); auto: the head where the network has one, else the '
        'plane, without depth the largest cluster',
        choices=('auto', 'foreground_head', 'support_plane', 'largest_cluster'),
    )
    foreground_threshold: float = option(
        0.5, 'foreground probability from which a pixel belongs to an object',
        minimum=0.05, maximum=0.95,
    )
    kappa: float = option(
        0.0,
        "concentration of the mean shift's kernel: higher splits more; 0 takes what suits the "
        'network (13 small, 20 published)',
        minimum=0.0, maximum=100.0,
    )
    mean_shift: str = option(
        'fast', 'density from sampled pixels (fast) or from all (exact)',
        choices=('fast', 'exact'),
    )
    num_samples: int = option(
        2048, 'pixels sampled by the fast mean shift', minimum=64, maximum=100000)
    num_seeds: int = option(
        100, 'points that climb the density; at least the number of objects',
        minimum=2, maximum=250,
    )
    iterations: int = option(10, 'steps that each seed climbs', minimum=1, maximum=100)
    connect_distance: float = option(
        0.0,
        'clusters nearer than this in (1 - cos) / 2 are one: higher splits less; 0 takes what '
        'suits the network (0.2 small, 0.04 published)',
        minimum=0.0, maximum=0.5,
    )
    contact_split: float = option(
        0.3,
        'a cluster is cut where the probability that two objects meet reaches this; 1 cuts none '
        '(for networks with a contact head)',
        minimum=0.05, maximum=1.0,
    )
    min_area: int = option(
        150, 'smallest object in pixels of a 640x480 image; scales with the image',
        minimum=1, maximum=100000,
    )
    min_fragment: float = option(
        0.1,
        'a separate piece of a cluster is an object of its own from this share of the largest '
        'piece, else dropped',
        minimum=0.0, maximum=1.0,
    )
    fill_holes: float = option(
        0.05, "largest hole filled, as a share of the object's area; 0 fills none",
        minimum=0.0, maximum=1.0,
    )
    plane_cleanup: bool = option(
        True, 'cut from objects what lies on the plane fitted to the ring around all objects')
    max_distance: float = option(
        0.004,
        'metres above the support plane up to which a point counts as on it, at 1 m range; '
        'grows with the square of the range',
        minimum=0.0, maximum=0.1,
    )
    min_depth_share: float = option(
        0.0,
        'an object with a smaller share of pixels with depth is dropped (published: 0.8, on OCID '
        '0.5); 0 keeps all',
        minimum=0.0, maximum=1.0,
    )
    score_threshold: float = option(
        0.0, 'an object with a lower score is dropped', minimum=0.0, maximum=1.0)
    zoom: str = option(
        'scene',
        'second stage. scene: look again at the part of the image that holds the objects, where '
        'that is clearly less than all and a foreground head finds them; objects: cluster '
        'each object again on a crop of its own, as published, slower; none: there is none',
        choices=('none', 'scene', 'objects'),
    )
    zoom_size: int = option(
        224, 'side of the square crops of zoom: objects, pixels',
        minimum=32, maximum=640,
    )
    zoom_weights: str = option(
        '', "weights for zoom: objects, as for the first stage; empty takes the first stage's",
        live=False,
    )
