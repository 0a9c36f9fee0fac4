# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

from array import array
from dataclasses import dataclass

import numpy as np
import pytest

from seg_ros.core.options import Options, option


@dataclass(frozen=True)
class Sample(Options):
    kappa: float = option(10.0, 'Concentration.', minimum=1.0, maximum=100.0)
    seeds: int = option(100, 'Number of seeds.', minimum=1, maximum=1000, live=False)
    form: str = option('fast', 'Form.', choices=('fast', 'exact'))
    zoom: bool = option(False, 'Second stage.')


def test_specs_come_in_order_with_types():
    specs = Sample.specs()
    assert [(s.name, s.type, s.live) for s in specs] == [
        ('kappa', float, True), ('seeds', int, False), ('form', str, True), ('zoom', bool, True)]
    assert specs[0].description == 'Concentration.'


@pytest.mark.parametrize(('values', 'expected'), [
    ({'kappa': 20}, 20.0),
    ({'kappa': '2.5'}, 2.5),
    ({'seeds': '7'}, 7),
    ({'seeds': 7.0}, 7),
    ({'form': 'exact'}, 'exact'),
    ({'zoom': 'True'}, True),
    ({'zoom': False}, False),
])
def test_replaced_converts(values, expected):
    (name,) = values
    value = getattr(Sample().replaced(**values), name)
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(('values', 'error'), [
    ({'kappa': 0.5}, 'kappa is 0.5, accepted are 1 to 100'),
    ({'kappa': float('nan')}, 'kappa is NaN'),
    ({'kappa': True}, 'kappa is True, a value of type float'),
    ({'seeds': 1.5}, 'seeds is 1.5, a value of type int'),
    ({'seeds': 'many'}, "seeds is 'many', a value of type int"),
    ({'form': 'slow'}, "form is 'slow', choose one of fast, exact"),
    ({'zoom': 'yes'}, "zoom is 'yes', true or false"),
    ({'sigma': 1}, 'unknown option sigma: known are kappa, seeds, form, zoom'),
])
def test_bad_values_are_named(values, error):
    with pytest.raises(ValueError, match=error):
        Sample().replaced(**values)


@dataclass(frozen=True)
class Rows(Options):
    roi: tuple[int, int] = option((0, 9), 'Part.', minimum=0, maximum=10)
    space: tuple[float, float, float] = option((0.0, 0.5, 1.0), 'Space.')


@pytest.mark.parametrize(('values', 'expected'), [
    ({'roi': [1, 2]}, (1, 2)),
    ({'roi': array('q', [3, 4])}, (3, 4)),
    ({'roi': np.array([5, 6])}, (5, 6)),
    ({'roi': (7.0, '8')}, (7, 8)),
    ({'space': [1, 2, 3]}, (1.0, 2.0, 3.0)),
])
def test_rows_are_converted_number_by_number(values, expected):
    (name,) = values
    found = getattr(Rows().replaced(**values), name)
    assert found == expected
    assert [type(number) for number in found] == [type(number) for number in expected]


@pytest.mark.parametrize(('values', 'error'), [
    ({'roi': [1]}, r'roi is \[1\], a list of 2 whole numbers is accepted'),
    ({'roi': '12'}, "roi is '12', a list of 2 whole numbers"),
    ({'roi': 5}, 'roi is 5, a list of 2 whole numbers'),
    ({'roi': [1, 11]}, 'roi is 11, accepted are 0 to 10'),
    ({'roi': [1, 1.5]}, 'roi is 1.5, a value of type int'),
    ({'space': [1.0, 2.0]}, r'a list of 3 numbers is accepted'),
    ({'space': [1.0, 2.0, float('nan')]}, 'space is NaN'),
])
def test_bad_rows_are_named(values, error):
    with pytest.raises(ValueError, match=error):
        Rows().replaced(**values)


def test_a_bad_value_is_refused_where_options_are_made():
    with pytest.raises(ValueError, match='kappa is 500'):
        Sample(kappa=500.0)
