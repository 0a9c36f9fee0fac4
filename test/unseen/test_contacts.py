# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cutting of clusters by contacts, on small drawings and by properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_ros.unseen.contacts import similarity_of, split_at_contacts


def drawn(rows):
    """Return labels of a drawing: a digit a cell, '.' background."""
    return np.array([[0 if cell == '.' else int(cell) for cell in row] for row in rows], np.int32)


def line(shape, column, value=0.9):
    """Return contact probabilities with a vertical line."""
    contact = np.full(shape, 0.1, np.float32)
    contact[:, column] = value
    return contact


def partition(labels):
    """Return the sets of cells that share a label, whatever the numbers."""
    return {frozenset(zip(*map(tuple, np.nonzero(labels == k)), strict=True))
            for k in np.unique(labels[labels > 0])}


TWO = drawn(['.........', '.1111111.', '.1111111.', '.1111111.', '.1111111.', '.........'])


@pytest.mark.parametrize(('column', 'value', 'threshold', 'parts'), [
    (4, 0.9, 0.5, 2), (4, 0.4, 0.5, 1), (4, 0.9, 1.0, 1), (1, 0.9, 0.5, 1), (2, 0.9, 0.5, 1)])
def test_a_closed_contact_line_cuts_what_leaves_two_large_parts(column, value, threshold, parts):
    cut = split_at_contacts(TWO, line(TWO.shape, column, value), threshold)
    assert len(np.unique(cut[cut > 0])) == parts
    assert np.array_equal(cut > 0, TWO > 0)


def test_cells_of_the_line_go_to_the_nearest_part_and_the_largest_keeps_its_label():
    cut = split_at_contacts(TWO, line(TWO.shape, 3), 0.5)
    assert set(cut[2, 4:8]) == {1}
    assert set(cut[2, 1:3]) == {2}
    assert cut[2, 3] in (1, 2)


@pytest.mark.parametrize(('side', 'parts'), [(5, 2), (4, 2), (3, 1)])
def test_a_small_thing_on_a_large_one_is_cut_out(side, parts):
    contact = np.full((40, 40), 0.1, np.float32)
    contact[9:11 + side, 9:11 + side] = 0.9
    contact[10:10 + side, 10:10 + side] = 0.1
    cut = split_at_contacts(np.ones((40, 40), np.int32), contact, 0.5)
    assert len(np.unique(cut)) == parts
    assert (cut[11, 11] == cut[0, 0]) == (parts == 1)


def test_a_line_with_a_gap_cuts_nothing():
    contact = line(TWO.shape, 4)
    contact[3, 4] = 0.1
    assert np.array_equal(split_at_contacts(TWO, contact, 0.5), TWO)


def test_new_numbers_follow_the_highest_of_all_clusters():
    labels = drawn(['1111111.2222222'] * 4)
    contact = line(labels.shape, 3)
    contact[:, 11] = 0.9
    cut = split_at_contacts(labels, contact, 0.5)
    assert sorted(np.unique(cut)) == [0, 1, 2, 3, 4]
    assert len(partition(cut)) == 4


@given(seed=st.integers(0, 10_000), threshold=st.floats(0.1, 1.0))
def test_cuts_only_refine(seed, threshold):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (4, 4)).repeat(4, 0).repeat(4, 1).astype(np.int32)
    contact = rng.random(labels.shape, np.float32)
    cut = split_at_contacts(labels, contact, threshold)
    assert np.array_equal(cut > 0, labels > 0)
    assert all(len(np.unique(labels[cut == k])) == 1 for k in np.unique(cut[cut > 0]))


@given(seed=st.integers(0, 10_000))
def test_the_most_similar_region_is_the_cell_s_own(seed):
    rng = np.random.default_rng(seed)
    similarity = rng.random((3, 12, 12), np.float32)
    clusters = (similarity.argmax(axis=0) + 1).astype(np.int32)
    clusters[:2] = 0
    regions = split_at_contacts(clusters, rng.random((12, 12), np.float32), 0.6)
    maps = similarity_of(similarity, regions)
    own = np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
    assert np.array_equal((maps.argmax(axis=0) + 1)[clusters > 0], own[clusters > 0])
    inside = clusters > 0
    assert np.array_equal(maps.max(axis=0)[inside], similarity.max(axis=0)[inside])


def test_parts_of_a_cluster_share_its_map_and_exclude_each_other():
    similarity = np.array([[[0.9, 0.8, 0.1]], [[0.2, 0.3, 0.7]]], np.float32)
    maps = similarity_of(similarity, np.array([[1, 3, 2]], np.int32))
    np.testing.assert_array_equal(maps[0], [[similarity[0, 0, 0], -1, similarity[0, 0, 2]]])
    np.testing.assert_array_equal(maps[1], similarity[1])
    np.testing.assert_array_equal(maps[2], [[-1, similarity[0, 0, 1], similarity[0, 0, 2]]])


def test_without_foreground_there_is_no_map():
    similarity = np.ones((2, 3, 4), np.float32)
    assert similarity_of(similarity, np.zeros((3, 4), np.int32)).shape == (0, 3, 4)
