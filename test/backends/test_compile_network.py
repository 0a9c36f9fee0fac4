# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every installed backend gives torch's numbers; one that does not is refused, aloud."""

import json
import logging
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from seg_ros.backends import compile_network, installed_backends, registry, selection
from seg_ros.backends.base import Backend
from seg_ros.backends.torch_backend import EagerEngine


class TwoInputs(nn.Module):
    """Fuse two images; give unit embeddings and a logit at half resolution."""

    def __init__(self):
        super().__init__()
        self.color = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.depth = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.down = nn.Sequential(
            nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.up = nn.Conv2d(16, 8, 1)
        self.embed, self.logit = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 1, 1)

    def forward(self, color, xyz):
        fused = self.color(color) + self.depth(xyz)
        raised = functional.interpolate(
            self.up(self.down(fused)), size=fused.shape[2:], mode='bilinear', align_corners=False)
        features = fused + raised
        return functional.normalize(self.embed(features), dim=1), self.logit(features)


class OneOfTwo(nn.Module):
    """Look at one of two images alone: exporters drop the other."""

    def __init__(self, used):
        super().__init__()
        self.used, self.look = used, nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, color, xyz):
        return self.look((color, xyz)[self.used])


class OneSize(nn.Module):
    """Flatten an image of 16x16: no other size fits."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3 * 16 * 16, 4)

    def forward(self, image):
        return self.line(image.flatten(1))


class BakedSize(nn.Module):
    """Compute with a size read as a Python number: its trace is bound to the example's size."""

    def forward(self, image):
        return image / float(image.shape[3]) + image.mean().item() * 0


def seeded(kind):
    """Return the network in eval mode with reproducible weights and running statistics."""
    torch.manual_seed(3)
    network = kind()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 2.0)
    return network.eval()


def images(batch=1, height=32, width=48, count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(batch, 3, height, width, generator=generator) for _ in range(count))


@pytest.fixture
def network():
    return seeded(TwoInputs)


def reference(network, inputs):
    with torch.no_grad():
        outputs = network(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def fake(name, build, precisions=('fp32',)):
    return Backend(name, ('torch',), ('cpu',), precisions, build)


class FakeEngine:
    """Answer by a function; stands for a runtime."""

    def __init__(self, answer):
        self.run = answer


@pytest.mark.parametrize('name', ['torch', 'openvino', 'onnxruntime'])
@pytest.mark.parametrize('shape', [(1, 32, 48), (3, 32, 48), (1, 20, 64), (2, 64, 36)])
def test_backend_equals_torch_at_every_size(name, shape, network, tmp_path, caplog):
    if name not in installed_backends():
        pytest.skip(f'backend {name} is not installed')
    runner = compile_network(network, images(), backend=name, cache_dir=tmp_path)
    inputs = images(*shape, seed=5)
    outputs = runner(*inputs)
    assert (runner.name, runner.precision, runner.device) == (name, 'fp32', 'cpu')
    assert len(outputs) == 2
    for found, expected in zip(outputs, reference(network, inputs), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not caplog.records


@pytest.mark.parametrize('name', ['torch', 'openvino', 'onnxruntime'])
@pytest.mark.parametrize('used', [0, 1])
def test_a_network_may_leave_an_input_unused(name, used, tmp_path, caplog):
    if name not in installed_backends():
        pytest.skip(f'backend {name} is not installed')
    network = seeded(lambda: OneOfTwo(used))
    runner = compile_network(network, images(), backend=name, cache_dir=tmp_path)
    inputs = images(seed=5)
    assert runner.name == name and not caplog.records
    torch.testing.assert_close(runner(*inputs), reference(network, inputs), rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', ['torch', 'openvino', 'onnxruntime'])
def test_outputs_outlive_the_next_run(name, network, tmp_path):
    if name not in installed_backends():
        pytest.skip(f'backend {name} is not installed')
    runner = compile_network(network, images(), backend=name, cache_dir=tmp_path)
    first = runner(*images(seed=1))
    kept = [value.clone() for value in first]
    runner(*images(seed=2))
    for found, expected in zip(first, kept, strict=True):
        assert torch.equal(found, expected)
    first[0].add_(1)  # the caller owns them


def test_non_contiguous_inputs(network, tmp_path):
    inputs = tuple(value.flip(3)[:, :, ::2].permute(0, 1, 3, 2) for value in images(1, 96, 32))
    for name in installed_backends():
        runner = compile_network(network, images(), backend=name, cache_dir=tmp_path)
        for found, expected in zip(runner(*inputs), reference(network, inputs), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def honest(request):
    return EagerEngine(request.module)


def test_auto_takes_the_fastest_that_agrees(network, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, 'BACKENDS', {})
    for name in ('torch', 'slow', 'quick'):
        registry.register(fake(name, honest))
    monkeypatch.setattr(selection, 'BACKENDS', registry.BACKENDS)
    monkeypatch.setattr(selection, 'time_in_turns', lambda engines, inputs: [0.3, 0.4, 0.1])
    runner = compile_network(network, images(), cache_dir=tmp_path)
    assert runner.name == 'quick'
    assert 'torch fp32 300.0 ms, slow fp32 400.0 ms, quick fp32 100.0 ms' in runner.reason


def test_auto_remembers_its_choice_and_checks_it_again(network, tmp_path, monkeypatch, caplog):
    first = compile_network(network, images(), cache_dir=tmp_path)
    chosen = [json.loads(path.read_text()) for path in tmp_path.glob('*.json')]
    assert [choice['backend'] for choice in chosen] == [first.name]
    assert set(chosen[0]['milliseconds']) == {f'{name} fp32' for name in installed_backends()}

    def forbidden(*_):
        raise AssertionError('timed again')

    monkeypatch.setattr(selection, 'time_in_turns', forbidden)
    again = compile_network(network, images(), cache_dir=tmp_path)
    assert again.name == first.name
    assert 'last timed' in again.reason
    with torch.no_grad():
        network.logit.bias += 1  # other weights: another network
    with pytest.raises(AssertionError, match='timed again'):
        compile_network(network, images(), cache_dir=tmp_path)
    assert not caplog.records


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize('damage', ['garbage', 'other_weights'])
def test_a_damaged_cached_export_is_made_anew(name, damage, network, tmp_path, caplog):
    if name not in installed_backends():
        pytest.skip(f'backend {name} is not installed')
    other = seeded(TwoInputs)
    with torch.no_grad():
        other.logit.bias += 1
    compile_network(network, images(), backend=name, cache_dir=tmp_path)
    (path,) = tmp_path.glob('*.onnx')
    compile_network(other, images(), backend=name, cache_dir=tmp_path / 'other')
    (stranger,) = (tmp_path / 'other').glob('*.onnx')
    path.write_bytes(b'nothing' if damage == 'garbage' else stranger.read_bytes())
    runner = compile_network(network, images(), backend=name, cache_dir=tmp_path)
    assert runner.name == name
    assert not caplog.records
    torch.testing.assert_close(
        runner(*images())[1], reference(network, images())[1], rtol=0, atol=1e-5)


def test_a_cache_that_cannot_be_written_costs_no_failure(network, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    runner = compile_network(network, images(), cache_dir=tmp_path / 'file' / 'cache')
    assert runner.name in installed_backends()


def unbuildable(request):
    raise RuntimeError('operator Foo is unknown\nlong trace')


def lying(request):
    return FakeEngine(lambda tensors: tuple(v + 0.01 for v in request.module(*tensors)))


def misshapen(request):
    return FakeEngine(lambda tensors: tuple(v[:, :1] for v in request.module(*tensors)))


def speechless(request):
    return FakeEngine(lambda tensors: tuple(v * float('nan') for v in request.module(*tensors)))


@pytest.mark.parametrize(('build', 'expected'), [
    (unbuildable, 'failed to build or run: RuntimeError: operator Foo is unknown'),
    (lying, 'disagrees with torch: largest difference 1.0e-02'),
    (misshapen, 'disagrees with torch: outputs'),
    (speechless, 'disagrees with torch: largest difference inf'),
])
@pytest.mark.parametrize('asked', ['bad', 'auto'])
def test_a_bad_backend_is_refused_with_a_warning(
        build, expected, asked, network, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(registry, 'BACKENDS', {'torch': registry.BACKENDS['torch']})
    monkeypatch.setattr(selection, 'BACKENDS', registry.BACKENDS)
    registry.register(fake('bad', build))
    monkeypatch.setattr(selection, 'time_in_turns', lambda engines, _: [1.0, 0.1][:len(engines)])
    for _ in range(2):  # the second time from the cache: the warning is repeated
        caplog.clear()
        runner = compile_network(network, images(), backend=asked, cache_dir=tmp_path)
        warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert 'bad' in warnings[0]
        assert expected in warnings[0]
        assert runner.name == 'torch'
        torch.testing.assert_close(
            runner(*images())[1], reference(network, images())[1], rtol=0, atol=1e-5)


def test_a_backend_that_fails_later_is_replaced_for_good(
        network, tmp_path, monkeypatch, caplog):
    calls = []

    def build(request):
        def answer(tensors):
            calls.append(len(calls))
            if len(calls) > 3:
                raise OSError('device lost')
            return request.module(*tensors)
        return FakeEngine(answer)

    monkeypatch.setitem(registry.BACKENDS, 'frail', fake('frail', build))
    runner = compile_network(network, images(), backend='frail', cache_dir=tmp_path)
    runner(*images())
    assert (runner.name, len(calls)) == ('frail', 3)
    for _ in range(2):
        torch.testing.assert_close(
            runner(*images())[1], reference(network, images())[1], rtol=0, atol=1e-5)
    assert len(calls) == 4
    assert runner.name == 'torch'
    assert runner.reason == 'frail failed while running: OSError: device lost'
    assert [r.getMessage() for r in caplog.records] == [
        f'{runner.reason}; torch runs the network from now on']


def test_inputs_that_torch_refuses_too_do_not_cost_the_backend(network, tmp_path, caplog):
    for name in installed_backends():
        runner = compile_network(network, images(), backend=name, cache_dir=tmp_path)
        with pytest.raises(RuntimeError, match='channels'):
            runner(torch.zeros(1, 4, 32, 48), torch.zeros(1, 3, 32, 48))
        assert runner.name == name
    assert not caplog.records


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_a_trace_bound_to_its_size_leaves_other_sizes_to_torch(name, tmp_path, caplog):
    if name not in installed_backends():
        pytest.skip(f'backend {name} is not installed')
    network = seeded(BakedSize)
    runner = compile_network(network, images(count=1), backend=name, cache_dir=tmp_path)
    for width in (48, 24, 24):
        inputs = images(1, 32, width, count=1)
        torch.testing.assert_close(runner(*inputs), reference(network, inputs))
    assert runner.name == name
    assert ['torch runs it at' in r.getMessage() for r in caplog.records] == [True]


def test_a_network_of_one_size(tmp_path):
    network, inputs = seeded(OneSize), images(1, 16, 16, count=1)
    for name in installed_backends():
        runner = compile_network(network, inputs, backend=name, cache_dir=tmp_path)
        torch.testing.assert_close(runner(*inputs), reference(network, inputs))


@pytest.mark.parametrize(('changes', 'expected'), [
    ({'backend': 'tensorrt'}, "backend 'tensorrt' is unknown; accepted: auto, torch, openvino"),
    ({'backend': 'absent'}, 'needs no_such_package, not installed here: pip install no_such'),
    ({'precision': 'int8'}, "precision 'int8', accepted are fp32, bf16"),
    ({'precision': 'bf16'}, 'give labelling='),
    ({'precision': 'bf16', 'labelling': len, 'backend': 'onnxruntime'}, 'offers precision fp32'),
    ({'device': 'gpu'}, "device 'gpu' is unknown; accepted: auto, cpu"),
    ({'example_inputs': ()}, 'no example inputs'),
    ({'module': TwoInputs()}, 'training mode: call module.eval'),
])
def test_mistakes_are_named(changes, expected, network, tmp_path, monkeypatch):
    absent = Backend('absent', ('no_such_package',), ('cpu',), ('fp32',), unbuildable)
    monkeypatch.setitem(registry.BACKENDS, 'absent', absent)
    arguments = {'module': network, 'example_inputs': images(), 'cache_dir': tmp_path, **changes}
    with pytest.raises(ValueError, match=expected):
        compile_network(arguments.pop('module'), arguments.pop('example_inputs'), **arguments)


@pytest.mark.parametrize(('tensors', 'expected'), [
    (images(count=1), '1 tensors of ranks'),
    ((torch.zeros(3, 32, 48), torch.zeros(1, 3, 32, 48)), 'built for 2 of ranks'),
])
def test_wrong_calls_are_named(tensors, expected, network, tmp_path):
    runner = compile_network(network, images(), backend='torch', cache_dir=tmp_path)
    with pytest.raises(ValueError, match=expected):
        runner(*tensors)


def labels_of(outputs):
    return outputs[1] > 0


def test_bf16_is_held_to_its_labels(network, tmp_path, caplog):
    runner = compile_network(network, images(), backend='torch', precision='bf16',
                             labelling=labels_of, cache_dir=tmp_path)
    expected = reference(network, images())
    found = runner(*images())
    if runner.precision == 'bf16':
        assert (labels_of(found) == labels_of(expected)).double().mean() >= 0.995
        assert found[0].dtype == torch.float32
    else:
        assert 'labels the same' in caplog.text


def test_bf16_that_changes_labels_is_refused(network, tmp_path, monkeypatch, caplog):
    def build(request):
        if request.precision == 'fp32':
            return FakeEngine(lambda tensors: request.module(*tensors))
        return FakeEngine(lambda tensors: tuple(-v for v in request.module(*tensors)))

    monkeypatch.setitem(
        registry.BACKENDS, 'coarse', fake('coarse', build, ('fp32', 'bf16')))
    runner = compile_network(network, images(), backend='coarse', precision='bf16',
                             labelling=labels_of, cache_dir=tmp_path)
    assert (runner.name, runner.precision) == ('torch', 'fp32')
    assert 'of the labels the same, accepted 99.5 %' in caplog.text


def test_constant_examples_are_probed_with_noise(tmp_path, monkeypatch, caplog):
    network = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False)).eval()
    monkeypatch.setitem(registry.BACKENDS, 'deaf', fake(
        'deaf', lambda request: FakeEngine(lambda tensors: (torch.zeros(1, 2, 8, 8),))))
    runner = compile_network(network, (torch.zeros(1, 3, 8, 8),), backend='deaf',
                             cache_dir=tmp_path)
    assert runner.name == 'torch'
    assert 'deaf disagrees with torch' in caplog.text


def test_a_taken_name_is_refused():
    for name in ('torch', 'auto'):
        with pytest.raises(ValueError, match='exists already'):
            registry.register(fake(name, unbuildable))


def test_importing_the_package_imports_no_runtime():
    code = ("import sys, seg_ros.backends, seg_ros.backends.registry;"
            "print([m for m in ('torch', 'onnxruntime', 'openvino') if m in sys.modules])")
    found = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == '[]'


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_native_threads_follow_torch(name, network, tmp_path, monkeypatch):
    if name not in installed_backends():
        pytest.skip(f'backend {name} is not installed')
    seen = []
    build = registry.BACKENDS[name].build
    watched = Backend(name, registry.BACKENDS[name].packages, ('cpu',), ('fp32',),
                      lambda request: seen.append(request.threads) or build(request))
    monkeypatch.setitem(registry.BACKENDS, name, watched)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        compile_network(network, images(), backend=name, cache_dir=tmp_path)
    finally:
        torch.set_num_threads(before)
    assert seen == [1]
