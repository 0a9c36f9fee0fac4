# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import re

import pytest

from seg_ros.semantic.class_groups import (
    COARSE,
    ClassGroups,
    groups_for,
    groups_of_model,
    read_groups,
)
from seg_ros.synthetic.catalogue import CLASS_NAMES


def test_every_kind_of_the_synthetic_scenes_is_in_one_class():
    assert sorted(name for names in COARSE.values() for name in names) == sorted(CLASS_NAMES)
    groups = groups_for('auto', CLASS_NAMES)
    assert groups.class_names == tuple(COARSE)
    table = groups.numbers(CLASS_NAMES, 'here')
    named = {name: groups.class_names[table[CLASS_NAMES.index(name)]] for name in CLASS_NAMES}
    assert (named['background'], named['table'], named['tin']) == ('background', 'table', 'can')
    assert (named['mug'], named['mesh'], named['banana']) == ('cup', 'other', 'fruit')
    assert (table[len(CLASS_NAMES):] == 255).all()


@pytest.mark.parametrize(('choice', 'names', 'expected'), [
    ('auto', ['background', 'mug'], tuple(COARSE)),
    ('auto', ['background', 'mug', 'sofa'], ('background', 'mug', 'sofa')),
    ('fine', ['background', 'mug'], ('background', 'mug')),
    ('coarse', ['background', 'sofa'], tuple(COARSE)),
])
def test_the_choice_of_classes(choice, names, expected):
    assert groups_for(choice, names).class_names == expected


def test_a_file_names_classes(tmp_path):
    path = tmp_path / 'classes.yaml'
    path.write_text('nothing: [background, table]\ndish: [mug, bowl]\nignored: [mesh]\n')
    groups = groups_for(str(path), ['whatever'])
    assert groups.class_names == ('nothing', 'dish')
    # 'dish' is the class itself, 'bowl' is listed, 'mesh' is ignored
    table = groups.numbers(['table', 'bowl', 'mesh', 'dish'], '')
    assert table[:5].tolist() == [0, 1, 255, 1, 255]
    with pytest.raises(ValueError, match=re.escape(
            'here has classes that none of nothing, dish takes: sofa, pan; list them')):
        groups.numbers(['background', 'sofa', 'pan'], 'here')


@pytest.mark.parametrize(('text', 'message'), [
    ('- a', 'must map each class to a list of names'), ('a: b', 'must map each class'),
    ('a: [1]', 'must map each class'), ('a: [', 'is no YAML'), ('{}', '0 classes'),
    ('a: [x]\nb: [x, y]', 'x: listed more than once'),
])
def test_a_file_of_another_form_is_refused(tmp_path, text, message):
    path = tmp_path / 'classes.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'classes.yaml.*{message}'):
        read_groups(path)
    with pytest.raises(FileNotFoundError, match="'none' is no file: give auto, fine, coarse"):
        groups_for('none', [])


@pytest.mark.parametrize(('choice', 'names', 'members'), [
    ('auto', ('background', 'cup', 'box'),
     {'background': ('background',), 'cup': COARSE['cup'], 'box': COARSE['box']}),
    ('auto', ('background', 'sofa'), {'background': ('background',), 'sofa': ('sofa',)}),
    ('fine', ('background', 'cup'), {'background': ('background',), 'cup': ('cup',)}),
])
def test_what_the_classes_of_a_model_stand_for(choice, names, members):
    groups = groups_of_model(choice, names)
    assert groups == ClassGroups(members) and groups.class_names == names


def test_classes_of_a_model_that_a_choice_lacks_are_named():
    with pytest.raises(ValueError, match='classes coarse lack those of the weights: sofa, dog;'):
        groups_of_model('coarse', ('background', 'sofa', 'dog'))
    with pytest.raises(ValueError, match='names must be distinct'):
        groups_of_model('fine', ('background', 'N/A', 'N/A'))
