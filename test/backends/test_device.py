# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Devices by name."""

import pytest
import torch

from seg_ros.backends import resolve_device


@pytest.mark.parametrize(('name', 'cuda', 'expected'), [
    ('auto', False, 'cpu'), ('auto', True, 'cuda:0'), ('cpu', True, 'cpu'),
    ('cuda', True, 'cuda:0'), ('cuda:1', True, 'cuda:1'), (torch.device('cpu'), False, 'cpu'),
])
def test_names(name, cuda, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2 * cuda)
    assert str(resolve_device(name)) == expected


@pytest.mark.parametrize(('name', 'cuda', 'expected'), [
    ('cuda', False, r'device cuda: torch .*install the NVIDIA driver.*or use device cpu'),
    ('cuda:2', True, r'device cuda:2: this machine has 2 CUDA device'),
    ('gpu', False, "device 'gpu' is unknown; accepted: auto, cpu, cuda"),
    ('meta', False, "device 'meta' runs no network"),
    ('', False, 'is unknown'),
])
def test_devices_that_do_not_exist(name, cuda, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2 * cuda)
    with pytest.raises(ValueError, match=expected):
        resolve_device(name)


def test_mps_without_metal(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='no Metal device'):
        resolve_device('mps')
