# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Quick measures on scenes whose answer is known."""

import math

import pytest
import torch

from seg_ros.training.validation import clustered, foreground_iou, quick_measures


def scene():
    """Return labels (1, 12, 16) of two objects and embeddings that tell them apart."""
    labels = torch.zeros(1, 12, 16, dtype=torch.long)
    labels[0, 2:6, 2:6], labels[0, 5:9, 9:14] = 1, 2
    return torch.eye(4)[labels].movedim(-1, 1), labels


def test_perfect_embeddings_score_one():
    embedding, labels = scene()
    logits = torch.where(labels[:, None] > 0, 9.0, -9.0)
    assert set(quick_measures(embedding, logits, labels).values()) == {1.0}


def test_without_a_head_the_largest_cluster_is_background():
    embedding, labels = scene()
    measures = quick_measures(embedding, None, labels)
    assert (measures['overlap_f'], measures['share_above_75']) == (1.0, 1.0)
    assert math.isnan(measures['foreground_iou'])


def test_merged_objects_lose_the_smaller_one():
    embedding, labels = scene()
    embedding = embedding[:, [0, 1, 1, 3]] + 0
    embedding[:, 1] = (labels > 0).float()
    embedding[:, 2] = 0
    logits = torch.where(labels[:, None] > 0, 9.0, -9.0)
    measures = quick_measures(embedding, logits, labels)
    # 36 object pixels predicted as one: matched to the object of 20
    assert measures['overlap_f'] == pytest.approx(20 / 36)
    assert measures['share_above_75'] == 0


def test_ignored_pixels_do_not_count():
    embedding, labels = scene()
    logits = torch.full((1, 1, 12, 16), 9.0)
    labels[labels == 0] = -1
    assert set(quick_measures(embedding, logits, labels).values()) == {1.0}


def test_nothing_found_gives_only_background():
    embedding, _ = scene()
    assert not clustered(embedding[0], torch.full((1, 12, 16), -1.0)).any()


@pytest.mark.parametrize(('found', 'labels', 'expected'), [
    ([1, 1, -1, -1], [1, 0, 2, 0], 1 / 3), ([-1] * 4, [0] * 4, 1.0), ([1] * 4, [-1] * 4, 1.0)])
def test_foreground_iou(found, labels, expected):
    logits, truth = torch.tensor([[[found]]]).float(), torch.tensor([[labels]])
    assert foreground_iou(logits, truth) == pytest.approx(expected)
