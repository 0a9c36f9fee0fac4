# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cutting and joining of clusters by contacts, on small drawings and against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_ros.unseen.contacts import join_without_contact, similarity_of, split_at_contacts


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


@pytest.mark.parametrize(('value', 'threshold', 'joined'), [
    (0.1, 0.2, True), (0.3, 0.2, False), (0.1, 0.0, False)])
def test_neighbours_join_where_their_border_shows_no_contact(value, threshold, joined):
    labels = drawn(['1122', '1122', '1122', '1122'])
    contact = np.full(labels.shape, value, np.float32)
    found = join_without_contact(labels, contact, threshold)
    assert np.array_equal(found, np.ones_like(labels) if joined else labels)


def test_joins_chain_and_the_lowest_number_stays():
    labels = drawn(['332211'] * 4)
    found = join_without_contact(labels, np.zeros(labels.shape, np.float32), 0.5)
    assert np.array_equal(found, np.ones_like(labels))


def test_clusters_that_do_not_meet_never_join():
    labels = drawn(['11.22'] * 4)
    assert np.array_equal(
        join_without_contact(labels, np.zeros(labels.shape, np.float32), 0.5), labels)


@given(seed=st.integers(0, 10_000), threshold=st.floats(0.1, 1.0))
def test_splits_only_refine_and_joins_only_coarsen(seed, threshold):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (4, 4)).repeat(4, 0).repeat(4, 1).astype(np.int32)
    contact = rng.random(labels.shape, np.float32)
    cut = split_at_contacts(labels, contact, threshold)
    assert np.array_equal(cut > 0, labels > 0)
    assert all(len(np.unique(labels[cut == k])) == 1 for k in np.unique(cut[cut > 0]))
    joined = join_without_contact(cut, contact, threshold)
    assert np.array_equal(joined > 0, cut > 0)
    assert all(len(np.unique(joined[cut == k])) == 1 for k in np.unique(cut[cut > 0]))


@given(seed=st.integers(0, 10_000))
def test_the_most_similar_region_is_the_cell_s_own(seed):
    rng = np.random.default_rng(seed)
    similarity = rng.random((3, 12, 12), np.float32)
    clusters = (similarity.argmax(axis=0) + 1).astype(np.int32)
    clusters[:2] = 0
    regions = split_at_contacts(clusters, rng.random((12, 12), np.float32), 0.6)
    maps = similarity_of(similarity, clusters, regions)
    own = np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
    assert np.array_equal((maps.argmax(axis=0) + 1)[clusters > 0], own[clusters > 0])
    inside = clusters > 0
    assert np.array_equal(maps.max(axis=0)[inside], similarity.max(axis=0)[inside])


def test_regions_without_background_and_of_joined_clusters_take_the_greatest():
    similarity = np.array([[[0.9, 0.1]], [[0.2, 0.8]]], np.float32)
    clusters = np.array([[1, 2]], np.int32)
    maps = similarity_of(similarity, clusters, np.array([[4, 4]], np.int32))
    np.testing.assert_array_equal(maps, similarity.max(axis=0)[None])
