# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import sys

import pytest

from seg_ros import resources


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An installation under site-packages: no checkout around the package, no ament index."""
    package = tmp_path / 'lib' / 'site-packages' / 'seg_ros'
    package.mkdir(parents=True)
    monkeypatch.setattr(resources, '__file__', str(package / 'resources.py'))
    monkeypatch.setattr(sys, 'prefix', str(tmp_path / 'prefix'))
    monkeypatch.setattr(sys, 'base_prefix', str(tmp_path / 'base'))
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)
    return tmp_path


def made(folder):
    folder.mkdir(parents=True)
    (folder / 'some.yaml').write_text('x')
    return folder / 'some.yaml'


def test_checkout(elsewhere):
    (elsewhere / 'lib' / 'site-packages' / 'package.xml').write_text('<package/>')
    file = made(elsewhere / 'lib' / 'site-packages' / 'config')
    assert resources.config_path('some.yaml') == file


def test_a_foreign_config_folder_beside_the_package_is_not_ours(elsewhere):
    made(elsewhere / 'lib' / 'site-packages' / 'config')
    with pytest.raises(FileNotFoundError):
        resources.config_path('some.yaml')


def test_prefix_of_pip(elsewhere):
    file = made(elsewhere / 'prefix' / 'share' / 'seg_ros' / 'config')
    assert resources.config_path('some.yaml') == file


def test_ament_share(elsewhere, monkeypatch):
    pytest.importorskip('ament_index_python', reason='no ament index without ROS')
    prefix = elsewhere / 'install'
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'seg_ros').touch()
    file = made(prefix / 'share' / 'seg_ros' / 'config')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix))
    assert resources.config_path('some.yaml') == file


def test_nowhere_names_the_places(elsewhere):
    with pytest.raises(FileNotFoundError, match=r'some.yaml is in none of .*prefix.share.seg_ros'):
        resources.config_path('some.yaml')


def test_the_image_profile_is_there():
    assert '<segment_size>33554432<' in resources.config_path('fastdds_images.xml').read_text()
