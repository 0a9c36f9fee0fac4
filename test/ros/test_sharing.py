# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Models shared by nodes, and built anew when memory or their device fails."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
import trivial_methods
from trivial_methods import BlobOptions, BlobSegmenter, NamedOptions

from seg_ros.core.frame import RgbdFrame
from seg_ros.nodes import sharing
from seg_ros.nodes.sharing import DeviceFailure, ModelPool, SharedModel, is_device_failure
from seg_ros.segmenters import METHODS

if 'blobs' not in METHODS:
    trivial_methods.register_all()

COLOR = np.zeros((20, 30, 3), np.uint8)
COLOR[5:10, 5:10, 0], COLOR[5:10, 20:25, 0] = 250, 150
FRAME = RgbdFrame(COLOR, None, None, 0, 'camera')


@pytest.fixture
def loads(monkeypatch):
    """Return the list of what was loaded."""
    done = []
    real = sharing.load

    def load(*arguments):
        done.append(arguments[0])
        return real(*arguments)

    monkeypatch.setattr(sharing, 'load', load)
    return done


def acquire(pool, method='color_blobs', weights='default', device='cpu', backend='auto',
            options=None):
    return pool.acquire(method, weights, device, backend, options or BlobOptions())


def test_equal_nodes_share_one_model_each_with_its_own_options(loads):
    pool = ModelPool()
    first = acquire(pool)
    second = acquire(pool, options=BlobOptions(threshold=200))
    assert (first.model is second.model, first.model.users, loads) == (True, 2, ['color_blobs'])
    for _ in range(2):
        assert (len(first.segment(FRAME)), len(second.segment(FRAME))) == (2, 1)
    second.options = BlobOptions(threshold=100)
    assert (len(first.segment(FRAME)), len(second.segment(FRAME))) == (2, 2)
    for user in (first, second):
        user.release()


@pytest.mark.parametrize('other', [
    {'method': 'classes'}, {'backend': 'torch'}, {'device': 'auto'},
    {'options': BlobOptions(levels=2)}])
def test_what_differs_is_loaded_apart(loads, other):
    pool = ModelPool()
    users = [acquire(pool), acquire(pool, **other)]
    assert users[0].model is not users[1].model
    assert len(loads) == 2
    for user in users:
        user.release()


def test_weights_files_are_the_same_by_whatever_path(tmp_path, monkeypatch):
    (tmp_path / 'w.safetensors').touch()
    monkeypatch.chdir(tmp_path)
    key = sharing.ModelKey.of('m', 'w.safetensors', 'cpu', 'auto', BlobOptions())
    assert key == sharing.ModelKey.of(
        'm', str(tmp_path / 'w.safetensors'), 'cpu', 'auto', BlobOptions(threshold=1))
    assert key != sharing.ModelKey.of('m', 'default', 'cpu', 'auto', BlobOptions())


def test_the_last_user_ends_the_model(loads):
    pool = ModelPool()
    first, second = acquire(pool), acquire(pool)
    model = first.model
    first.release()
    first.release()
    assert (model.users, acquire(pool).model is model) == (1, True)
    second.release()
    model_gone = acquire(pool)
    assert model_gone.model is model, 'somebody uses it still'
    assert loads == ['color_blobs']
    for _ in range(2):
        model_gone.release()
    assert model.users == 1


def test_all_released_is_loaded_anew_and_its_thread_has_ended(loads):
    pool = ModelPool()
    user = acquire(pool)
    worker = user.model.worker
    user.release()
    assert worker.stop(5)
    again = acquire(pool)
    assert (again.model is user.model, loads) == (False, ['color_blobs'] * 2)
    again.release()


def test_a_failed_load_leaves_nothing_behind(loads):
    pool = ModelPool()
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=r'no\.pth is not there'):
            acquire(pool, method='blobs', weights='no.pth')
    assert loads == ['blobs'] * 2


def test_options_that_loaded_weights_cannot_serve_are_refused():
    pool = ModelPool()
    user = pool.acquire('named', 'default', 'cpu', 'auto', NamedOptions())
    with pytest.raises(ValueError, match='classes names'):
        pool.acquire('named', 'default', 'cpu', 'auto', NamedOptions(classes='boat'))
    assert user.model.users == 1
    user.release()


def torch_out_of_memory():
    torch = pytest.importorskip('torch')
    return torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20 MiB')


@pytest.mark.parametrize(('error', 'expected'), [
    (MemoryError(), True),
    (type('_ArrayMemoryError', (MemoryError,), {})('as numpy raises it'), True),
    (RuntimeError('CUDA error: device-side assert triggered'), True),
    (RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB'), True),
    (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), True),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
    (OSError('CUDA failure 2: out of memory'), True),
    (RuntimeError('mat1 and mat2 shapes cannot be multiplied'), False),
    (ValueError('no CUDA error, but an option of that name'), False),
    (KeyError('x'), False),
])
def test_failures_of_memory_and_device_are_told_from_others(error, expected):
    assert is_device_failure(error) is expected


def test_torchs_own_error_is_known():
    assert is_device_failure(torch_out_of_memory())


class Built:
    """Build segmenters that fail as told, on a clock of this test's own."""

    def __init__(self):
        self.now, self.made, self.fail, self.build_fails = 100.0, [], 'memory', ''
        self.model = SharedModel(self.build, clock=lambda: self.now)

    def build(self):
        if self.build_fails:
            raise RuntimeError(self.build_fails)
        segmenter = BlobSegmenter('color_blobs', BlobOptions(), False, 'cpu')
        self.made.append(weakref.ref(segmenter))
        return segmenter

    def segment(self, fail):
        return self.model.segment(FRAME, BlobOptions(fail=fail))

    def fails(self, fail='memory'):
        with pytest.raises(DeviceFailure) as caught:
            self.segment(fail)
        return str(caught.value)


@pytest.fixture
def built():
    made = Built()
    yield made
    assert made.model.worker.stop(5)


def test_the_model_is_built_anew_before_the_next_frame(built):
    assert built.fails('cuda').startswith('RuntimeError: CUDA error: an illegal')
    assert built.model.failure
    assert (len(built.made), built.model.rebuilds) == (1, 0)
    assert len(built.segment('no')) == 2
    assert (len(built.made), built.model.rebuilds, built.model.failure) == (2, 1, '')


def test_the_old_model_is_gone_before_the_new_one_is_built(built):
    built.fails()
    real, alive = built.build, []

    def build():
        alive.append(built.made[0]())
        return real()

    built.model._build = build
    gc.disable()
    try:
        built.segment('no')
    finally:
        gc.enable()
    assert alive == [None]


def test_it_is_built_anew_at_most_every_ten_seconds(built):
    for _ in range(5):
        built.fails()
        built.now += 1.0
    assert built.model.rebuilds == 1, 'with the second frame, one second after the first'
    built.now += 5.9
    built.fails()
    assert built.model.rebuilds == 1
    built.now += 0.2
    built.fails()
    assert built.model.rebuilds == 2


def test_meanwhile_the_old_one_is_tried_and_may_recover(built):
    built.fails()
    built.fails()
    assert built.model.rebuilds == 1
    assert len(built.segment('no')) == 2
    assert (built.model.failure, built.model.rebuilds) == ('', 1)


def test_a_build_that_fails_is_tried_again(built):
    built.fails()
    built.build_fails = 'CUDA error: still'
    text = 'building the model anew failed: RuntimeError: CUDA error: still'
    assert built.fails() == text
    built.build_fails = ''
    built.now += 9.0
    assert built.fails() == text, 'ten seconds have not passed'
    assert built.model.facts['backend'] == 'trivial'
    assert built.model.timings() == {}
    built.now += 1.0
    assert len(built.segment('no')) == 2


def test_a_fault_of_the_method_is_passed_on(built):
    with pytest.raises(RuntimeError, match='^out of memory$'):
        built.segment('runtime')
    with pytest.raises(ValueError, match='not accepted'):
        built.segment('value')
    assert built.model.failure == ''


def test_the_failure_keeps_nothing_of_the_frame_alive(built):
    with pytest.raises(DeviceFailure) as caught:
        built.segment('memory')
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_nodes_import_no_torch():
    code = ('import sys; import seg_ros.nodes.segmentation_node, seg_ros.nodes.container; '
            'sys.exit("torch" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
