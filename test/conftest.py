# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What holds for every test: few native threads that sleep while idle, and a cache of its own."""

import os

import pytest

# Before torch comes in: OpenMP reads them once.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.fixture
def refuses_download(tmp_path, monkeypatch):
    """Return what checks that, without network, a call names torchvision's file and its place."""
    def refused(*_, **__):
        raise OSError('no route to host')

    monkeypatch.setattr('torch.hub.download_url_to_file', refused)
    monkeypatch.setattr('torch.hub._hub_dir', str(tmp_path))

    def check(call, file):
        with pytest.raises(FileNotFoundError) as error:
            call()
        said = str(error.value)
        assert f'https://download.pytorch.org/models/{file}' in said
        assert f'at {tmp_path}/checkpoints/{file}' in said and 'no route to host' in said

    return check


@pytest.fixture(scope='session', autouse=True)
def own_cache(tmp_path_factory):
    """Keep exported networks out of the user's cache, shared by the tests of a run."""
    before = os.environ.get('SEG_ROS_CACHE')
    os.environ['SEG_ROS_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    yield
    if before is None:
        del os.environ['SEG_ROS_CACHE']
    else:
        os.environ['SEG_ROS_CACHE'] = before
