# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
from pathlib import Path

import pytest

from seg_ros.nodes import memory

ROOT = Path(__file__).parents[2]
# Blocks that are freed below one that is kept stay with the heap.
FRAGMENTED = """
import threading
from seg_ros.nodes.memory import give_back, share_heaps
from seg_ros.nodes.statistics import memory_mb
import ctypes, sys
c = ctypes.CDLL(None)
c.malloc.restype = c.calloc.restype = ctypes.c_void_p
c.free.argtypes = [ctypes.c_void_p]
c.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
c.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def fill():
    blocks = [c.calloc(1, 100_000) for _ in range(600)]
    for block in blocks:
        c.memset(block, 1, 100_000)
    for block in blocks[:-1]:
        c.free(block)
share_heaps()
fill()
before = memory_mb()
assert give_back()
print(before - memory_mb())
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc alone gives back')
def test_free_memory_is_given_back():
    done = subprocess.run([sys.executable, '-c', FRAGMENTED], cwd=ROOT, capture_output=True,
                          text=True, check=True)
    assert float(done.stdout) > 40


def test_a_c_library_that_cannot_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory, '_c_library', lambda: None)
    assert not memory.give_back()
    assert not memory.share_heaps()
