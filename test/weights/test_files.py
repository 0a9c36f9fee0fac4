# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pickle
import zipfile

import pytest
import torch

from seg_ros.weights import load_weights, save_weights, weights_path

STATE = {'conv.weight': torch.tensor([[0.1, -2.0]]), 'count': torch.tensor(3)}


class Trap:
    """Write a file when unpickled, as a hostile checkpoint would."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_weights_come_back_in_half_precision_with_metadata(tmp_path):
    path = tmp_path / 'w.safetensors'
    save_weights(path, STATE, {'method': 'unseen_objects', 'config': {'fusion': 'add'}})
    weights = load_weights(path, method='unseen_objects')
    assert weights.state['conv.weight'].dtype == torch.float32
    torch.testing.assert_close(weights.state['conv.weight'], STATE['conv.weight'].half().float())
    assert weights.state['count'] == 3
    assert weights.metadata['config'] == {'fusion': 'add'}


@pytest.mark.parametrize('wrap', [
    lambda s: s,
    lambda s: {'model': s},
    lambda s: {'state_dict': {f'module.{k}': v for k, v in s.items()}},
])
def test_torch_checkpoints_of_every_wrapping(tmp_path, wrap):
    torch.save(wrap(STATE), tmp_path / 'w.pth')
    weights = load_weights(tmp_path / 'w.pth', method='unseen_objects')
    assert set(weights.state) == set(STATE) and weights.metadata == {}


def test_grey_levels_of_masks_are_dropped(tmp_path):
    torch.save({**STATE, 'mask_values': [0, 255]}, tmp_path / 'w.pth')
    assert set(load_weights(tmp_path / 'w.pth', method='unseen_objects').state) == set(STATE)


def write_text(path):
    path.write_text('this is no checkpoint, but it is long enough')


def write_cut(path):
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('write', [write_text, write_cut])
def test_files_that_are_no_checkpoint(tmp_path, suffix, write):
    path = tmp_path / f'w{suffix}'
    write(path)
    with pytest.raises(ValueError, match=f'w{suffix} is not a'):
        load_weights(path, method='unseen_objects')


def test_code_in_a_pickle_never_runs(tmp_path):
    path, trap = tmp_path / 'w.pth', tmp_path / 'sprung'
    path.write_bytes(pickle.dumps({'weight': Trap(trap)}))
    with pytest.raises(ValueError, match='carries code, which is never run'):
        load_weights(path, method='unseen_objects')
    torch.save({'weight': Trap(trap)}, path)
    with pytest.raises(ValueError, match='carries code, which is never run'):
        load_weights(path, method='unseen_objects')
    assert not trap.exists()


@pytest.mark.parametrize(('content', 'error'), [
    ([1, 2], 'holds list'),
    ({}, 'holds dict'),
    ({'epoch': 3}, 'are no tensors: epoch'),
])
def test_content_that_is_no_state_dict(tmp_path, content, error):
    torch.save(content, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match=error):
        load_weights(tmp_path / 'w.pth', method='unseen_objects')


def test_a_bomb_is_refused_by_its_directory(tmp_path, monkeypatch):
    monkeypatch.setattr('seg_ros.weights.files.MAX_FILE_BYTES', 10_000)
    with zipfile.ZipFile(tmp_path / 'w.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data/0', bytes(1_000_000))
    with pytest.raises(ValueError, match='unpacks to 1000000 bytes'):
        load_weights(tmp_path / 'w.pth', method='unseen_objects')


@pytest.mark.parametrize(('name', 'data', 'error'), [
    ('w.safetensors', b'\xff' * 64, 'its header declares'),
    ('w.safetensors', b'x', 'has 1 bytes'),
    ('w.onnx', b'0123456789', r'weights end in \.safetensors or \.pth'),
])
def test_bad_files(tmp_path, name, data, error):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=error):
        load_weights(tmp_path / name, method='unseen_objects')


def test_weights_of_another_method(tmp_path):
    save_weights(tmp_path / 'w.safetensors', STATE, {'method': 'mask_rcnn'})
    with pytest.raises(ValueError, match='holds weights of mask_rcnn, not of unseen_objects'):
        load_weights(tmp_path / 'w.safetensors', method='unseen_objects')


def test_a_missing_file_says_where_weights_come_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no weights at .*nothing\.pth.*seg_ros train'):
        weights_path(tmp_path / 'nothing.pth', 'unseen_objects')


def test_values_beyond_half_precision_are_named(tmp_path):
    with pytest.raises(ValueError, match='bias does not fit into float16'):
        save_weights(tmp_path / 'w.safetensors', {'bias': torch.tensor([1e6])}, {})
