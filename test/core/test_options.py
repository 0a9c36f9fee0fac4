# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import dataclass

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


def test_a_bad_value_is_refused_where_options_are_made():
    with pytest.raises(ValueError, match='kappa is 500'):
        Sample(kappa=500.0)
