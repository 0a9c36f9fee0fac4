# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two methods on one frame: unseen objects outlined, known ones named."""
