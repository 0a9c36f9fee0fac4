# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import pytest

from seg_ros import segmenters


def test_a_name_is_registered_once():
    entry = segmenters.METHODS['unseen_objects']
    with pytest.raises(ValueError, match="'unseen_objects' is registered already"):
        segmenters.register(replace(entry, loader='else:where'))
    assert segmenters.METHODS['unseen_objects'] is entry


@pytest.mark.parametrize('call', [
    segmenters.load, segmenters.options_type, segmenters.method_named])
def test_an_unknown_method_names_the_known(call):
    with pytest.raises(ValueError, match="unknown method 'sam': known are .*unseen_objects"):
        call('sam')


def test_every_method_has_options_with_descriptions():
    for name in segmenters.METHODS:
        for spec in segmenters.options_type(name).specs():
            assert len(spec.description) > 10, (name, spec.name)
