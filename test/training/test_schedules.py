# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_ros.training.schedules import cosine_rate, poly_rate


@pytest.mark.parametrize(('share', 'poly', 'linear', 'cosine'), [
    (0.0, 1.0, 1.0, 1.0),
    (0.25, 0.75 ** 0.9, 0.75, 0.853553),
    (0.5, 0.535887, 0.5, 0.5),
    (0.9, 0.125893, 0.1, 0.024472),
    (1.0, 0.0, 0.0, 0.0),
    (1.01, 0.0, 0.0, 0.0),
    (-0.01, 1.0, 1.0, 1.0),
])
def test_factors(share, poly, linear, cosine):
    assert poly_rate(share) == pytest.approx(poly, abs=1e-6)
    assert poly_rate(share, power=1.0) == pytest.approx(linear, abs=1e-6)
    assert cosine_rate(share) == pytest.approx(cosine, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 3))
def test_rates_fall(first, second, power):
    early, late = sorted((first, second))
    assert poly_rate(early, power) >= poly_rate(late, power)
    assert cosine_rate(early) >= cosine_rate(late)
