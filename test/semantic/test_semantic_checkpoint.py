# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json
import re

import numpy as np
import pytest
import torch
from tiny_semantic import NAMES, tiny_model, write_model

from seg_ros.semantic import checkpoint
from seg_ros.semantic.architectures import ARCHITECTURES, PLAIN, build_network
from seg_ros.semantic.checkpoint import (
    load_model,
    metadata_of,
    semantic_weights,
    weights_of_network,
)
from seg_ros.semantic.foreign import ForeignModel
from seg_ros.weights import Weights, files, load_weights


def changed(**config):
    """Return a tiny model's metadata with some of its config replaced; None leaves one out."""
    metadata = metadata_of(tiny_model(), (96, 64))
    metadata['config'].update(config)
    metadata['config'] = {k: v for k, v in metadata['config'].items() if v is not None}
    return metadata


def test_what_is_saved_is_loaded(tmp_path):
    model = tiny_model(stride=4, widths=(1, 2))
    path = write_model(tmp_path / 'x.safetensors', model, (320, 240))
    loaded = load_model(load_weights(path, method='semantic'))
    assert not loaded.model.training
    assert (loaded.input_size, loaded.path) == ((320, 240), path)
    assert (loaded.model.architecture, loaded.model.class_names) == ('tiny', NAMES)
    assert loaded.model.preprocessing == PLAIN
    assert loaded.model.network.multiple == 4
    color = torch.rand(1, 3, 40, 60)
    with torch.no_grad():
        np.testing.assert_allclose(
            loaded.model(color, color), model(color, color), atol=2e-2)  # saved in float16


def test_what_the_classes_stood_for_is_known(tmp_path):
    groups = {name: [name, f'{name}ish'] for name in NAMES}
    path = write_model(tmp_path / 'x.safetensors', metadata={**changed(), 'class_groups': groups})
    loaded = load_model(load_weights(path, method='semantic'))
    assert loaded.class_groups.members == {name: tuple(group) for name, group in groups.items()}
    plain = write_model(tmp_path / 'plain.safetensors', metadata=changed())
    assert load_model(load_weights(plain, method='semantic')).class_groups is None


def test_metadata_are_json_and_say_everything():
    metadata = metadata_of(tiny_model(stride=4), (96, 64), trained_on='scenes')
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata == {
        'method': 'semantic', 'architecture': 'tiny', 'trained_on': 'scenes', 'config': {
            'class_names': list(NAMES), 'input_size': [96, 64], 'network': {'stride': 4},
            'preprocessing': PLAIN.as_dict()}}


@pytest.mark.parametrize(('metadata', 'message'), [
    (changed(class_names=['background', 'cup']), 'has 3 classes, its class_names are 2'),
    (changed(class_names=['b', 'c', 'd', 'e']), 'has 3 classes, its class_names are 4'),
    (changed(class_names=[]), r'names 0 classes: .* holds 1 to 256'),
    (changed(class_names=[f'c{n}' for n in range(257)]), r'names 257 classes: .* 1 to 256'),
    (changed(class_names='cup'), "class_names is 'cup', a list of names"),
    (changed(class_names=[1, 2, 3]), r'class_names is \[1, 2, 3\], a list of names'),
    (changed(input_size=[96]), r'input_size is \[96\], a width and a height of 32 pixels'),
    (changed(input_size=[31, 64]), r'input_size is \[31, 64\]'),
    (changed(input_size=[96.0, 64]), r'input_size is \[96.0, 64\]'),
    (changed(network=['stride']), r"network is \['stride'\], an object of names and values"),
    (changed(network={'stride': 3}), 'fit no network: stride 3: accepted are 1, 2 and 4'),
    (changed(network={'depth': 3}), "fit no network: network tiny: .*'depth'"),
    (changed(network={'uses_depth': True}), 'score.weight is .3, 3, 1, 1., needed .3, 6, 1, 1.'),
    (changed(preprocessing={'order': 'rgb'}), 'preprocessing has unknown fields: order'),
    (changed(preprocessing={'color_order': 'hsv'}), "color_order 'hsv' is unknown"),
    (changed(preprocessing=None), r"has \['class_names', 'input_size', 'network'\], needed are"),
    (changed(fusion='add'), "'fusion', .*needed are class_names, input_size, network, prepr"),
    ({**changed(), 'architecture': 'huge'}, "network 'huge' is unknown; known are .*tiny"),
    ({**changed(), 'config': 'none'}, 'config of its metadata has str'),
    ({**changed(), 'class_groups': {'cup': ['mug']}}, "class_groups of its metadata is {'cup'"),
    ({**changed(), 'class_groups': dict.fromkeys(NAMES, 'x')}, 'a list of names for each of'),
    ({**changed(), 'class_groups': {name: ['x'] for name in NAMES}}, 'listed more than once'),
    ({**changed(), 'method': 'mask_rcnn'}, 'holds weights of mask_rcnn, not of semantic'),
])
def test_metadata_amiss_name_the_file_and_the_fault(tmp_path, metadata, message):
    path = write_model(tmp_path / 'x.safetensors', metadata=metadata)
    with pytest.raises(ValueError, match=message) as caught:
        load_model(load_weights(path, method='semantic'))
    assert str(path) in str(caught.value)


def test_a_file_may_not_ask_for_memory_that_its_weights_do_not_fill(monkeypatch):
    devices = []

    def recorded(*args, **config):
        network = build_network(*args, **config)
        devices.append(next(network.parameters()).device.type)
        return network

    monkeypatch.setattr(checkpoint, 'build_network', recorded)
    config = {**changed()['config'], 'network': {'backbone': 'vgg16'}}  # half a gigabyte
    weights = Weights(tiny_model().state_dict(), {
        **changed(), 'architecture': 'fcn8s', 'config': config}, 'here.safetensors')
    with pytest.raises(ValueError, match='here.safetensors does not fit SemanticModel'):
        load_model(weights)
    assert devices == ['meta']


@pytest.mark.parametrize(('change', 'message'), [
    (lambda s: s.pop('network.score.bias'), 'missing network.score.bias'),
    (lambda s: s.update(more=torch.zeros(2)), 'extra more'),
])
def test_keys_are_strict(change, message):
    model = tiny_model()
    state = dict(model.state_dict())
    change(state)
    with pytest.raises(ValueError, match=f'here.safetensors does not fit .*{message}'):
        load_model(Weights(state, metadata_of(model, (96, 64)), 'here.safetensors'))


@pytest.mark.parametrize(('network', 'fits'), [('auto', True), ('tiny', True), ('unet', False)])
def test_a_file_must_be_of_the_network_asked_for(network, fits):
    model = tiny_model()
    weights = Weights(model.state_dict(), metadata_of(model, (96, 64)), 'here')
    if fits:
        assert load_model(weights, network).model.architecture == 'tiny'
        return
    with pytest.raises(ValueError, match='here holds the network tiny, not unet: set network to '
                                         'auto or tiny, or choose other weights'):
        load_model(weights, network)


def foreign_none(state):
    return None


def foreign_tiny(state):
    if 'conv.weight' not in state:
        return None
    if state['conv.weight'].ndim != 4:
        raise ValueError('conv.weight has no kernel')
    return ForeignModel('tiny', NAMES, {'score.weight': state['conv.weight'],
                                        'score.bias': state['conv.bias']}, PLAIN, {'stride': 4})


@pytest.fixture
def layouts(monkeypatch):
    here = __name__
    monkeypatch.setattr(checkpoint, 'FOREIGN', (f'{here}:foreign_none', f'{here}:foreign_tiny'))


def foreign_state(classes=3):
    return {'conv.weight': torch.ones(classes, 3, 1, 1), 'conv.bias': torch.zeros(classes)}


def test_a_foreign_layout_is_translated(layouts, tmp_path):
    torch.save({'state_dict': foreign_state()}, tmp_path / 'theirs.pth')
    loaded = load_model(load_weights(tmp_path / 'theirs.pth', method='semantic'))
    assert (loaded.input_size, loaded.model.class_names) == (None, NAMES)
    assert (loaded.model.network.score.weight == 1).all()
    assert loaded.model.config == {'stride': 4}
    assert not loaded.model.training


@pytest.mark.parametrize(('state', 'message'), [
    (foreign_state(4), r'score.weight is \(4, 3, 1, 1\), needed \(3, 3, 1, 1\)'),
    ({'conv.weight': torch.ones(3)}, 'conv.weight has no kernel'),
    ({'a': torch.ones(1), 'b': torch.ones(1)}, r'is of no layout known here \(its keys .* a, b'),
])
def test_foreign_layouts_amiss_name_the_file(layouts, state, message):
    with pytest.raises(ValueError, match=f'theirs.pth.*{message}'):
        load_model(Weights(state, {}, 'theirs.pth'))


@pytest.mark.parametrize('name', checkpoint.PUBLISHED)
def test_torchvisions_names_are_published_weights(monkeypatch, name):
    asked = []
    monkeypatch.setattr(checkpoint, '_imported', lambda place: lambda name: asked.append(
        (place, name)) or Weights({}, {}, name))
    assert semantic_weights(name).path == weights_of_network(name, 'default').path == name
    assert asked == [(checkpoint._PUBLISHED_WEIGHTS, name)] * 2


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Let a default and tiny2 ship; tiny2 and tiny3 are known, too."""
    monkeypatch.setattr(files, 'FOLDER', tmp_path)
    for name in ('tiny2', 'tiny3'):
        monkeypatch.setitem(ARCHITECTURES, name, ARCHITECTURES['tiny'])
    write_model(tmp_path / 'semantic.safetensors')
    write_model(tmp_path / 'semantic_tiny2.safetensors',
                metadata={**changed(), 'architecture': 'tiny2'})
    return tmp_path


@pytest.mark.parametrize(('network', 'weights', 'name'), [
    ('auto', 'default', 'semantic'), ('auto', 'tiny2', 'semantic_tiny2'),
    ('tiny', 'default', 'semantic'), ('tiny2', 'default', 'semantic_tiny2'),
    ('tiny2', '', 'semantic_tiny2'), ('tiny', 'tiny2', 'semantic_tiny2')])
def test_a_network_chooses_the_shipped_weights(shipped, network, weights, name):
    assert weights_of_network(network, weights).path == shipped / f'{name}.safetensors'


def test_a_network_without_weights_says_which_have_some(shipped):
    with pytest.raises(FileNotFoundError, match=re.escape(
            'no weights of network tiny3 ship: train some (seg_ros train semantic) or give a file '
            'as weights; tiny2, fcn_resnet50')):
        weights_of_network('tiny3', 'default')
    with pytest.raises(ValueError, match="network 'huge' is unknown; known are"):
        weights_of_network('huge', 'default')


@pytest.mark.parametrize('place', [*checkpoint.FOREIGN, checkpoint._PUBLISHED_WEIGHTS])
def test_what_knows_foreign_layouts_is_where_it_is_looked_for(place):
    module, name = place.split(':')
    assert callable(getattr(pytest.importorskip(module), name))
