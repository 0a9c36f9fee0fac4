# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cut objects out of an image by a few strokes or a box, as a person gives them."""
