# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys

import pytest

import seg_ros
from seg_ros.cli import command_names, main


def python(*words):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60)


def test_module_prints_version():
    done = python('-m', 'seg_ros', '--version')
    assert (done.returncode, done.stdout.strip()) == (0, f'seg_ros {seg_ros.__version__}')


def test_help_lists_every_command_without_heavy_imports():
    code = (
        'import sys\nfrom seg_ros.cli import main\n'
        'try:\n    main(["--help"])\nexcept SystemExit:\n    pass\n'
        'heavy = {"torch", "numpy", "cv2", "scipy", "rclpy", "rosbags"} & set(sys.modules)\n'
        'print("HEAVY", sorted(heavy))'
    )
    said = python('-c', code).stdout
    assert 'HEAVY []' in said
    listed = {line.split()[0] for line in said.splitlines() if line.startswith('    ')}
    assert listed >= set(command_names())


@pytest.mark.parametrize('name', command_names())
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, '--help'])
    assert ended.value.code == 0
    assert f'usage: seg_ros {name}' in capsys.readouterr().out


@pytest.mark.parametrize('words', [[], ['dance'], ['segment']])
def test_bad_words_end_with_two(words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


@pytest.mark.parametrize('debug', [False, True])
def test_debug_shows_the_traceback(debug, tmp_path, capsys):
    words = ['evaluate', str(tmp_path / 'none'), *(['--debug'] if debug else [])]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert ('Traceback' in error) == debug
    assert 'is not a folder of frames' in error


def test_a_closed_pipe_is_no_crash(tmp_path):
    done = subprocess.run(
        f'{sys.executable} -m seg_ros --help | true', shell=True, capture_output=True, text=True
    )
    assert 'Traceback' not in done.stderr
