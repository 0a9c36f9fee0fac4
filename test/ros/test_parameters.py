# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import dataclass
from pathlib import Path

import pytest
import rclpy
import trivial_methods
import yaml
from rclpy.parameter import Parameter

from seg_ros.core.options import Options, option
from seg_ros.nodes.arguments import method_from_arguments
from seg_ros.nodes.config_file import config_text, yaml_value
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.parameters import NodeParameters, descriptor
from seg_ros.segmenters import METHODS, options_type

if 'blobs' not in METHODS:
    trivial_methods.register_all()

CONFIG = Path(__file__).parents[2] / 'config'


@pytest.fixture(scope='module')
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def declared(context):
    """Return a function that declares the parameters of a node with overrides."""
    nodes = []

    def declare(fixed=False, **overrides):
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        node = rclpy.create_node('parameters', context=context, parameter_overrides=given)
        nodes.append(node)
        changed = []
        parameters = NodeParameters(node, lambda: fixed, changed.append)
        return node, parameters, changed

    yield declare
    for node in nodes:
        node.destroy_node()


@dataclass(frozen=True)
class Everything(Options):
    whole: int = option(3, 'A whole number', minimum=1, maximum=9)
    part: float = option(0.5, 'A share', minimum=0.0, maximum=1.0)
    most: float = option(0.5, 'Bounded above', maximum=1.0)
    least: int = option(3, 'Bounded below', minimum=2)
    word: str = option('a', 'A word', choices=('a', 'b'), live=False)
    switch: bool = option(False, 'A switch')


def test_options_that_the_method_cannot_serve_are_refused(context):
    node = rclpy.create_node('picky', context=context)

    def accept(options):
        if options.kappa == 7.0:
            raise ValueError('no seven')

    changed = []
    parameters = NodeParameters(node, lambda: True, changed.append, accept)
    results = node.set_parameters([Parameter('kappa', value=7.0), Parameter('kappa', value=8.0)])
    assert [(result.successful, result.reason) for result in results] == [
        (False, 'no seven'), (True, '')]
    assert parameters.method.kappa == 8.0
    assert changed == [{'kappa'}]
    node.destroy_node()


def test_descriptors_say_what_the_declaration_says():
    whole, part, most, least, word, switch = map(descriptor, Everything.specs())
    assert whole.description == 'A whole number'
    assert (whole.integer_range[0].from_value, whole.integer_range[0].to_value) == (1, 9)
    assert (part.floating_point_range[0].from_value, part.floating_point_range[0].to_value) == (
        0.0, 1.0)
    assert most.floating_point_range[0].from_value < -1e300
    assert least.integer_range[0].to_value == 2**63 - 1
    assert word.description == 'A word (fixed after configure)'
    assert word.additional_constraints == 'one of: a, b'
    assert not switch.integer_range
    # read_only would also forbid the change while unconfigured.
    assert not word.read_only


def test_every_option_of_node_and_method_is_a_parameter(declared):
    node, parameters, _ = declared(method='blobs')
    for spec in (*NodeOptions.specs(), *trivial_methods.BlobOptions.specs()):
        expected = 'blobs' if spec.name == 'method' else spec.default
        value = node.get_parameter(spec.name).value
        assert (tuple(value) if spec.type is tuple else value) == expected
        assert node.describe_parameter(spec.name).description
    assert parameters.method == trivial_methods.BlobOptions()


def test_overrides_are_taken_and_a_whole_number_serves_for_a_float(declared):
    node, parameters, _ = declared(method='blobs', sync_slop=1, far=3, threshold=7)
    assert (parameters.node.sync_slop, parameters.method.far) == (1.0, 3.0)
    assert isinstance(node.get_parameter('far').value, float)
    assert parameters.method.threshold == 7


def test_rows_of_whole_numbers_serve_for_floats(declared):
    node, parameters, _ = declared(
        method='blobs', workspace=[0, 1, 0, 1, 0, 2], roi_image=[1, 2, 30, 40])
    assert parameters.node.workspace == (0.0, 1.0, 0.0, 1.0, 0.0, 2.0)
    assert parameters.node.roi_image == (1, 2, 30, 40)
    assert list(node.get_parameter('workspace').value) == [0.0, 1.0, 0.0, 1.0, 0.0, 2.0]
    assert node.describe_parameter('workspace').additional_constraints == '6 numbers'


@pytest.mark.parametrize(('overrides', 'text'), [
    ({'threshold': 256}, 'threshold is 256, accepted are 0 to 255'),
    ({'far': 0.0}, r'far is 0.0, accepted are 0.1 to 10'),
    ({'far': float('nan')}, 'far is NaN'),
    ({'threshold': 1.5}, 'threshold is 1.5, a value of type int is accepted'),
    ({'threshold': 'x'}, "threshold is 'x', a value of type int is accepted"),
    ({'organized': 1}, 'organized is 1, a value of type bool is accepted'),
    ({'weights': 3}, "weights is 3, a value of type str is accepted: write it as '3' in YAML"),
    ({'method': 'named', 'classes': 44}, 'classes is 44, a value of type str'),
    ({'method': 'named', 'classes': True}, 'classes is True, a value of type str'),
    ({'mode': 'sometimes'}, "mode is 'sometimes', choose one of continuous, on_request"),
    ({'label_encoding': 'rgb8'}, "label_encoding is 'rgb8', choose one of auto, mono8"),
    ({'method': 'nothing'}, "unknown method 'nothing': known are"),
    ({'sync_slop': 1.1}, 'sync_slop is 1.1, accepted are 0 to 1'),
    ({'roi_image': [1, 2, 3]}, r'roi_image is \[1, 2, 3\], a list of 4 whole numbers is accepted'),
    ({'roi_image': [1.5, 2.0, 3.0, 4.0]}, 'roi_image is 1.5, a value of type int is accepted'),
    ({'roi_image': '1, 2, 3, 4'}, "roi_image is '1, 2, 3, 4', a list of 4"),
    ({'roi_image': 3}, 'roi_image is 3, a list of 4 whole numbers'),
    ({'workspace': [0, 1, 0, 1, 1, 0]}, 'workspace is .*each min below its max'),
    ({'workspace': [0.0, float('nan'), 0.0, 1.0, 0.0, 1.0]}, 'workspace is NaN'),
])
def test_bad_overrides_end_the_start_with_the_reason(declared, overrides, text):
    with pytest.raises(ValueError, match=text):
        declared(**{'method': 'blobs', **overrides})


LIVE = [('threshold', 9), ('far', 3.5), ('sync_slop', 0.1), ('mask_id', 4), ('organized', True),
        ('mode', 'on_request'), ('max_frame_age', 1.0)]
FIXED = [('method', 'color_blobs'), ('weights', 'x'), ('device', 'cpu'), ('backend', 'torch'),
         ('label_encoding', 'mono8'), ('input_reliability', 'reliable'), ('levels', 5)]


@pytest.mark.parametrize(('name', 'value'), [*LIVE, *FIXED])
@pytest.mark.parametrize('fixed', [False, True])
def test_thresholds_change_live_and_the_model_only_before_configure(declared, name, value, fixed):
    node, parameters, changed = declared(fixed, method='blobs')
    refused = fixed and name in dict(FIXED)
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert result.successful is not refused
    held = getattr(parameters.node, name, None) or getattr(parameters.method, name, None)
    if refused:
        assert result.reason.startswith(f'{name} is fixed after configure: clean the node up')
        assert (held != value, changed) == (True, [])
        assert node.get_parameter(name).value != value
    else:
        assert (held, changed) == (value, [{name}])
        assert node.get_parameter(name).value == value


@pytest.mark.parametrize(('changes', 'text'), [
    ({'threshold': 300}, 'threshold'), ({'mode': 'x'}, 'choose one of continuous'),
    ({'method': 'nothing'}, 'unknown method'), ({'far': 'near'}, 'type'),
    ({'fail': 'often'}, "fail is 'often', choose one of no, value, runtime"),
])
def test_bad_changes_are_refused_whole(declared, changes, text):
    node, parameters, changed = declared(method='blobs')
    given = [Parameter(name, value=value) for name, value in changes.items()]
    result = node.set_parameters_atomically([Parameter('mask_id', value=2), *given])
    assert not result.successful
    assert text in result.reason
    assert (parameters.node.mask_id, changed) == (0, [])


@pytest.mark.parametrize('classes', ['', 'mug', 'mug,bottle', '44', '1,2', '1e3', 'no', '007'])
def test_a_list_of_names_is_a_string_whatever_it_looks_like(declared, tmp_path, classes):
    path = tmp_path / 'names.yaml'
    lines = [f'{name}: {yaml_value(value)}' for name, value in (
        ('method', 'named'), ('classes', classes))]
    path.write_text('/**:\n  ros__parameters:\n    ' + '\n    '.join(lines) + '\n')
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', '--params-file', str(path)], context=context)
    node = rclpy.create_node('names', context=context)
    parameters = NodeParameters(node, lambda: True, lambda _: None)
    try:
        assert parameters.method.classes == classes
    finally:
        node.destroy_node()
        context.try_shutdown()
    node, parameters, _ = declared(True, method='named', classes='bottle')
    assert node.set_parameters([Parameter('classes', value=classes)])[0].successful
    assert parameters.method.classes == classes


def test_another_method_brings_its_own_parameters(declared):
    node, parameters, _ = declared(method='blobs', threshold=99)
    assert node.set_parameters([Parameter('method', value='color_blobs')])[0].successful
    parameters.use_method()
    assert node.get_parameter('threshold').value == 99
    assert parameters.method.threshold == 99
    assert node.set_parameters([Parameter('threshold', value=5)])[0].successful
    assert parameters.method.threshold == 5


@pytest.mark.parametrize(('arguments', 'file', 'expected'), [
    ([], None, 'unseen_objects'),
    (['--ros-args', '-p', 'method:=blobs'], None, 'blobs'),
    (['--ros-args', '--param', "method:='blobs'"], None, 'blobs'),
    (['--ros-args', '-p', 'method:=nothing'], None, 'unseen_objects'),
    (['--ros-args', '--params-file', 'FILE'], 'method: blobs', 'blobs'),
    (['--ros-args', '--params-file', 'FILE'], 'mode: on_request', 'unseen_objects'),
    (['--ros-args', '--params-file', 'FILE'], '[', 'unseen_objects'),
    (['--ros-args', '--params-file', 'missing.yaml'], None, 'unseen_objects'),
    (['--ros-args', '--params-file', 'FILE', '-p', 'method:=color_blobs'], 'method: blobs',
     'color_blobs'),
])
def test_the_default_name_follows_the_method(tmp_path, arguments, file, expected):
    path = tmp_path / 'parameters.yaml'
    if file is not None:
        path.write_text(f'/**:\n  ros__parameters:\n    {file}\n')
    given = [str(path) if a == 'FILE' else a for a in arguments]
    assert method_from_arguments(given) == expected


OWN_METHODS = [name for name, method in METHODS.items() if method.loader.startswith('seg_ros.')]


@pytest.mark.parametrize('method', OWN_METHODS)
def test_config_files_hold_every_parameter_with_its_default(method):
    path = CONFIG / f'{method}.yaml'
    assert path.read_text() == config_text(path.stem), (
        f'write it anew: python -c "from seg_ros.nodes.config_file import config_text; '
        f"open('config/{path.name}', 'w').write(config_text('{path.stem}'))\"")
    values = yaml.safe_load(path.read_text())['/**']['ros__parameters']
    for spec in (*NodeOptions.specs(), *options_type(path.stem).specs()):
        default = path.stem if spec.name == 'method' else spec.default
        found = values.pop(spec.name)
        assert (tuple(found) if spec.type is tuple else found) == default
        assert isinstance(spec.default, type(default))
    assert values == {}


@pytest.mark.parametrize(('value', 'text'), [
    (True, 'true'), (1, '1'), (1.0, '1.0'), (1e-7, '1.0e-07'), ('true', "'true'"),
    ('', "''"), ('44', "'44'"), ("mug,driver's cup", "'mug,driver''s cup'")])
def test_yaml_values_keep_their_type(value, text):
    assert yaml_value(value) == text
    assert yaml.safe_load(text) == value
    assert type(yaml.safe_load(text)) is type(value)
