# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the small networks of several methods are made of."""
