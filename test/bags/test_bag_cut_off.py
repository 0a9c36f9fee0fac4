# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags whose writer was killed are read as far as they go, and are not changed by reading."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bag_frames import IMAGE, image, write_bag

from seg_ros.bags.storage import Bag

START = 1_700_000_000_000_000_000
WRITES_FOR_EVER = """
import sys, time
import numpy as np
sys.path.insert(0, {folder!r})
from bag_frames import IMAGE, image
from seg_ros.bags.writer import BagWriter

writer = BagWriter({path!r}, {storage!r})
writer.add_topic('/label', IMAGE)
for index in range(10**6):
    pixels = np.full((100, 100), index % 65536, np.uint16)
    writer.write_message('/label', {start} + index, image(pixels, 'mono16', {start} + index))
    print(index, flush=True)
    time.sleep(0.002)
"""


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_killed_writer_leaves_a_readable_bag(storage, tmp_path):
    code = WRITES_FOR_EVER.format(folder=str(Path(__file__).parent), path=str(tmp_path / 'bag'),
                                  storage=storage, start=START)
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, 'PYTHONPATH': root})
    last = next(int(line) for line in process.stdout if int(line) >= 800)
    process.kill()
    process.wait()
    process.stdout.close()
    assert not (tmp_path / 'bag' / 'metadata.yaml').exists()
    with Bag(tmp_path / 'bag') as bag:
        messages = list(bag.messages())
    # a chunk of 1 MB, or a second, may be lost
    assert len(messages) >= last - 600
    assert [log_ns - START for _, log_ns, _ in messages] == list(range(len(messages)))
    assert {c.topic for c, _, _ in messages} == {'/label'}
    values = np.frombuffer(messages[200][2][-20000:], '<u2')
    assert (values == 200).all()


@pytest.mark.parametrize(('cut', 'whole'), [(1, 6), (8, 6), (30, 6), (500, 6), (10_000, 4)])
def test_an_mcap_is_read_up_to_its_last_whole_record_wherever_it_ends(cut, whole, tmp_path):
    """Two of these messages fill a chunk; the last bytes are the index."""
    pixels = np.zeros((700, 1000), np.uint8)
    write_bag(tmp_path / 'bag', [
        ('/label', IMAGE, START + index, image(pixels, 'mono8', START + index))
        for index in range(6)])
    file = tmp_path / 'bag' / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:-cut])
    before = file.read_bytes()
    with Bag(file) as bag:
        found = [log_ns - START for _, log_ns, _ in bag.messages()]
    assert found == list(range(whole))
    assert file.read_bytes() == before


def test_an_mcap_cut_in_its_first_record_is_no_bag(tmp_path):
    path = tmp_path / 'cut.mcap'
    path.write_bytes(b'\x89MCAP0\r\n' + b'\x01' + (100).to_bytes(8, 'little') + b'ros2')
    with pytest.raises(ValueError, match='is not a readable rosbag2'), Bag(path):
        pass
