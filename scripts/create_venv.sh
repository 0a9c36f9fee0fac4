#!/bin/sh
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# usage: create_venv.sh PYTHON FOLDER
# Make a virtual environment, seeing the system's packages where those have ROS 2.
set -u
python=$1
folder=$2

fail() {
    printf 'seg_ros: %s\n' "$*" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "no '$python' found: install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$python is $("$python" --version 2>&1), needed is Python 3.10 or newer:" \
        "name another one: make PYTHON=python3.12"

site=
if "$python" -c 'import rclpy' >/dev/null 2>&1; then
    site=--system-site-packages
    echo "seg_ros: rclpy of $python is used, no ROS 2 wheels are installed"
fi

# Without ensurepip (Debian's python3-venv) the module is there, but makes no usable environment.
if "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    "$python" -m venv $site "$folder" || fail "'$python -m venv $folder' failed: see above"
elif "$python" -c 'import virtualenv' >/dev/null 2>&1; then
    "$python" -m virtualenv $site "$folder" || fail "'$python -m virtualenv $folder' failed: see above"
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python cannot make virtual environments: install its venv module" \
        "(Debian, Ubuntu: apt install python$version-venv) or virtualenv (pip install virtualenv)"
fi
