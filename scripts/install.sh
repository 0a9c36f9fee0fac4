#!/bin/sh
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# usage: install.sh PYTHON TORCH ROS_WHEELS EXTRAS
# Install torch, ROS 2 where it is missing, and this checkout into the environment of PYTHON.
set -u
python=$1
torch=$2
ros_wheels=$3
extras=$4

fail() {
    printf 'seg_ros: %s\n' "$*" >&2
    exit 1
}

install() {
    "$python" -m pip --disable-pip-version-check install "$@" ||
        fail "pip could not install: $*" \
            "(its own message stands above; is the network or PIP_INDEX_URL set up, is the disk full?)"
}

# The system's ROS was compiled for the system's NumPy: stay with its generation.
numpy=
"$python" -c 'import rclpy, numpy, sys; sys.exit(numpy.__version__ >= "2")' >/dev/null 2>&1 &&
    numpy='numpy>=1.26,<2'

# One resolution for torch and torchvision: their versions belong together. Options such as
# --index-url are part of $torch, so it is split into words.
echo "seg_ros: installing $torch"
# shellcheck disable=SC2086
install $torch $numpy

if ! "$python" -c 'import rclpy' >/dev/null 2>&1; then
    [ "$(uname -sm)" = 'Linux x86_64' ] ||
        fail "there are no ROS 2 wheels for $(uname -sm): install ROS 2 by apt, source its setup.bash" \
            "(so that python3 imports rclpy) and run make again"
    echo "seg_ros: installing $ros_wheels"
    # shellcheck disable=SC2086
    install $ros_wheels
fi

echo "seg_ros: installing seg_ros[$extras]"
# shellcheck disable=SC2086
install --editable ".[$extras]" $numpy
