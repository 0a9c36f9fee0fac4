# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""``python -m seg_ros``: the command line."""

import sys

from seg_ros.cli import main

if __name__ == '__main__':
    sys.exit(main())
