# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The Unseen Clustering Network: network, loss, mean shift, second stage and segmenter."""
