# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from seg_ros.core.classes import read_class_names


def test_names_stand_by_their_numbers(tmp_path):
    (tmp_path / 'classes.json').write_text('["background", "cup", "tasse à café"]')
    assert read_class_names(tmp_path / 'classes.json') == ('background', 'cup', 'tasse à café')
    with pytest.raises(FileNotFoundError):
        read_class_names(tmp_path / 'none.json')


@pytest.mark.parametrize(('text', 'message'), [
    ('{', 'is no JSON'), ('{"0": "background"}', 'must be a list of names'),
    ('[0, 1]', 'must be a list of names'),
    ('["background", "cup", "cup"]', 'names cup more than once'),
])
def test_another_form_is_refused(tmp_path, text, message):
    (tmp_path / 'classes.json').write_text(text)
    with pytest.raises(ValueError, match=rf'classes.json.* {message}'):
        read_class_names(tmp_path / 'classes.json')
