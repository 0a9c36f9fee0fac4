# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.crf import grid_bands
from seg_ros.crf.grid import GridCrf
from seg_ros.crf.grid_bands import band_of, bands_between, expand_in_bands
from seg_ros.crf.grid_problem import energy_of
from seg_ros.crf.grid_search import Search, Settings
from seg_ros.crf.pairwise import Pairwise
from seg_ros.crf.unary import Unary


def crf_of(rng, shape, connectivity):
    image = rng.integers(0, 256, (*shape[:2], 3))
    pairwise = Pairwise.contrast_sensitive(
        image, 0.2, 0.5, label_costs=rng.normal(size=(shape[2], shape[2])))
    return GridCrf(Unary(rng.normal(size=shape)), pairwise, connectivity)


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]),
       st.sampled_from([(0, 3), (2, 5), (4, 7), (3, 4), (0, 7)]), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_band_has_the_energy_of_the_whole_but_for_a_constant(seed, connectivity, band, width):
    rng = np.random.default_rng(seed)
    problem = crf_of(rng, (7, width, 3), connectivity).problem
    one = rng.integers(0, 3, (7, width)).astype(np.int32)
    other = one.copy()
    other[slice(*band)] = rng.integers(0, 3, (band[1] - band[0], width))
    part = band_of(problem, one, band)
    inside = energy_of(part, other[slice(*band)]) - energy_of(part, one[slice(*band)])
    assert inside == pytest.approx(energy_of(problem, other) - energy_of(problem, one), abs=1e-6)


@pytest.mark.parametrize(('height', 'first_cut', 'expected'), [
    (100, 16, [(0, 16), (17, 48), (49, 80), (81, 100)]),
    (64, 32, [(0, 32), (33, 64)]),
    (33, 32, [(0, 33)]),
    (34, 32, [(0, 32), (33, 34)]),
])
def test_bands_leave_a_row_between_them(height, first_cut, expected):
    assert grid_bands.BAND_ROWS == 32
    assert bands_between(height, first_cut) == expected


@pytest.mark.parametrize('threads', [1, 3])
def test_bands_bring_most_of_what_expansion_does(threads):
    rng = np.random.default_rng(4)
    crf = GridCrf(Unary(rng.random((150, 40, 4))), Pairwise.potts(0.3))
    search = Search(crf.problem, Settings(threads=threads))
    before, whole = search.energy, crf.map('alpha_expansion').energy
    expand_in_bands(search)
    assert search.energy == pytest.approx(crf.energy(search.labels))
    assert before - search.energy > 0.98 * (before - whole)
