# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json
import math

import pytest

from seg_ros.core.options import OptionSpec
from seg_ros.crf.dense_search import TrialLog, coordinate_search, random_search

SPECS = [OptionSpec('width', float, 10.0, '', minimum=1.0, maximum=100.0),
         OptionSpec('steps', int, 8, '', minimum=1, maximum=20)]
START = {'width': 10.0, 'steps': 8}


def hill(values):
    """Highest, 0, at a width of 37 and 13 steps."""
    return -abs(math.log(values['width'] / 37)) - abs(values['steps'] - 13) / 10


def searched(search, log, trials):
    return {'random': lambda: random_search(SPECS, START, log, trials, seed=1),
            'coordinate': lambda: coordinate_search(SPECS, START, log, trials)}[search]()


@pytest.mark.parametrize(('search', 'least'), [('random', -0.5), ('coordinate', -0.15)])
def test_climbs(search, least):
    best, highest = searched(search, TrialLog(None, {}, hill), 60)
    assert highest == hill(best) > least > hill(START)
    assert isinstance(best['steps'], int)


@pytest.mark.parametrize('search', ['random', 'coordinate'])
def test_a_stopped_search_goes_on(tmp_path, search):
    whole = TrialLog(tmp_path / 'whole.jsonl', {'a': 1}, hill)
    expected = searched(search, whole, 30)
    path = tmp_path / 'parts.jsonl'
    searched(search, TrialLog(path, {'a': 1}, hill), 10)
    with path.open('a') as file:
        file.write('{"values": {"wid')  # killed while writing
    again = TrialLog(path, {'a': 1}, hill)
    assert searched(search, again, 30) == expected
    assert 0 < again.made < whole.made
    assert path.read_text() == (tmp_path / 'whole.jsonl').read_text()


@pytest.mark.parametrize(('text', 'error'), [
    ('{"setting": {"a": 2}}\n', 'was begun with'), ('nothing\n', 'no log of trials'),
    ('{"trials": 3}\n', 'no log of trials'), ('', 'no log of trials')])
def test_refuses_another_log(tmp_path, text, error):
    path = tmp_path / 'log.jsonl'
    path.write_text(text)
    with pytest.raises(ValueError, match=error):
        TrialLog(path, {'a': 1}, hill)


def test_values_stay_in_their_range(tmp_path):
    path = tmp_path / 'log.jsonl'
    random_search(SPECS, {'width': 90.0, 'steps': 19}, TrialLog(path, {}, hill), 40)
    tried = [json.loads(line)['values'] for line in path.read_text().splitlines()[1:]]
    assert max(each['width'] for each in tried) == 100
    assert max(each['steps'] for each in tried) == 20
