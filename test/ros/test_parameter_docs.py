# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameter reference says what the nodes declare, and the guides name what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.parameters import descriptor
from seg_ros.segmenters import options_type

ROOT = Path(__file__).parents[2]
ROBOT = ROOT / 'docs' / 'robot'
METHODS = ('unseen_objects', 'mask_rcnn', 'combined', 'semantic')


@pytest.fixture(scope='module')
def written():
    """Return what a process writes that has the package's methods alone."""
    done = subprocess.run([sys.executable, '-m', 'seg_ros.nodes.parameter_docs'], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    return done.stdout


def test_the_reference_is_what_the_declarations_make(written):
    assert (ROBOT / 'parameters.md').read_text() == written, (
        'write it anew: python -m seg_ros.nodes.parameter_docs > docs/robot/parameters.md')


def rows_of(text, title):
    """Return the cells of a section's table by parameter."""
    section = text.partition(f'\n## {title}\n')[2].partition('\n## ')[0]
    rows = [[cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]]
            for line in section.splitlines() if line.startswith('| `')]
    return {cells[0].strip('`'): cells for cells in rows}


@pytest.mark.parametrize('method', ['', *METHODS])
def test_every_descriptor_stands_in_it(method, written):
    options = options_type(method) if method else NodeOptions
    rows = rows_of(written, f'`{method}`' if method else 'Every node')
    assert list(rows) == [spec.name for spec in options.specs()]
    for spec in options.specs():
        shown, (_, _, accepted, kind, description) = descriptor(spec), rows[spec.name]
        fixed = ' (fixed after configure)' if kind == 'fixed' else ''
        assert shown.description == description.replace('\\|', '|') + fixed
        for bounds in (*shown.floating_point_range, *shown.integer_range):
            low, high = accepted.split(' to ')
            assert low == '-inf' or float(low) == bounds.from_value
            assert high == 'inf' or float(high) == bounds.to_value


def test_the_parameters_of_the_tuning_guide_exist():
    known = {spec.name for spec in NodeOptions.specs()}
    for method in METHODS:
        known |= {spec.name for spec in options_type(method).specs()}
    lines = [line for line in (ROBOT / 'tuning.md').read_text().splitlines()
             if line.startswith('| ') and '`' in line.split('|')[2]]
    named = {word for line in lines for word in re.findall(r'`(\w+)`', line.split('|')[2])}
    assert len(named) > 15
    assert named - known == set()


def test_links_lead_somewhere():
    for page in (*ROBOT.glob('*.md'), ROOT / 'docs' / 'dds.md', ROOT / 'docs' / 'soak.md'):
        for link in re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', page.read_text()):
            if not link.startswith('http'):
                assert (page.parent / link).exists(), (page.name, link)
