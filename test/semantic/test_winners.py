# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Classes at the frame's size against all planes enlarged by torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from seg_ros.semantic.winners import enlarged, winning_classes


def probabilities_of(classes, height, width, seed=0, steep=3.0):
    logits = np.random.default_rng(seed).normal(0, steep, (classes, height, width))
    odds = np.exp(logits - logits.max(axis=0))
    return (odds / odds.sum(axis=0)).astype(np.float32)


def by_torch(probabilities, shape):
    planes = torch.from_numpy(probabilities).double()[None]
    return functional.interpolate(planes, size=shape, mode='bilinear')[0].numpy()


SIZES = [((48, 64), (48, 64)), ((48, 64), (96, 128)), ((33, 57), (111, 90)), ((64, 96), (32, 40)),
         ((32, 32), (33, 200))]


@pytest.mark.parametrize(('small', 'shape'), SIZES)
@pytest.mark.parametrize('classes', [1, 2, 13, 256])
def test_the_winner_is_that_of_all_planes_enlarged(classes, small, shape):
    found = probabilities_of(classes, *small)
    expected = by_torch(found, shape)
    np.testing.assert_allclose(enlarged(found, shape), expected, atol=1e-5)
    labels, confidence = winning_classes(found, shape)
    assert (labels.dtype, confidence.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(confidence, expected.max(axis=0), atol=1e-5)
    # two classes may be equal to rounding: the one chosen is as good as the best
    chosen = np.take_along_axis(expected, labels[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, expected.max(axis=0), atol=1e-5)
    assert (labels == expected.argmax(axis=0)).mean() > 0.9999


@given(st.integers(2, 9), st.integers(0, 2**31), st.floats(0.0, 8.0))
@settings(max_examples=60, deadline=None)
def test_planes_left_out_are_of_classes_that_win_nowhere(classes, seed, steep):
    found = probabilities_of(classes, 4, 5, seed, steep)
    labels, confidence = winning_classes(found, (4, 5))
    np.testing.assert_array_equal(labels, found.argmax(axis=0))
    np.testing.assert_array_equal(confidence, found.max(axis=0))


def test_of_equal_classes_the_first_wins():
    found = np.full((4, 2, 3), 0.25, np.float32)
    assert not winning_classes(found, (2, 3))[0].any()
    found[:] = np.array([0.0, 0.5, 0.0, 0.5])[:, None, None]
    assert (winning_classes(found, (4, 6))[0] == 1).all()


def test_what_comes_in_stays_as_it_is():
    found = probabilities_of(3, 8, 8)
    before = found.copy()
    labels, confidence = winning_classes(found, (8, 8))
    labels[:], confidence[:] = 0, 0
    np.testing.assert_array_equal(found, before)
