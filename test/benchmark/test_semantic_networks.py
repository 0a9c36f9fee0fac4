# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of semantic networks: what is measured, and a short run of it all."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import segmentation

from seg_ros.benchmark import semantic_networks
from seg_ros.benchmark.frames import FreshFrames
from seg_ros.benchmark.report import Report
from seg_ros.benchmark.semantic_networks import (
    CLASSES,
    EAGER,
    FORMS,
    PEERS,
    Form,
    all_forms,
    chosen_forms,
    measure_networks,
    subjects_of,
    torchvision_subject,
)
from seg_ros.cli import main
from seg_ros.core.io import write_frame
from seg_ros.semantic.architectures import ARCHITECTURES
from seg_ros.weights import files

sys.path.append(str(Path(__file__).parents[1] / 'semantic'))
from tiny_semantic import frame_of, tiny_model, write_model  # noqa: E402


@pytest.fixture
def frames():
    return FreshFrames([frame_of(64, 48)], 'one')


@pytest.fixture
def forms(monkeypatch, tmp_path):
    """Let 'tiny' be the only network, with a form of stride 4, and weights of it ship."""
    monkeypatch.setattr(semantic_networks, 'ARCHITECTURES', {'tiny': ARCHITECTURES['tiny']})
    monkeypatch.setattr(semantic_networks, 'FORMS', {'tiny': {'stride4': {'stride': 4}}})
    monkeypatch.setattr(files, 'FOLDER', tmp_path)
    write_model(tmp_path / 'semantic_tiny.safetensors', tiny_model(stride=1))
    (tmp_path / 'mask_rcnn.safetensors').touch()


class Peer(torch.nn.Module):
    """Stand for a network of torchvision: a mean colour as every class's score."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes
        self.seen = []

    def forward(self, color):
        self.seen.append(color)
        return {'out': color[:, :1].repeat(1, self.num_classes, 1, 1), 'aux': None}


@pytest.fixture
def peers(monkeypatch):
    made = []

    def make(*, weights, weights_backbone, num_classes):
        assert (weights, weights_backbone) == (None, None)
        made.append(Peer(num_classes))
        return made[-1]

    for name in PEERS:
        monkeypatch.setattr(segmentation, name, make)
    return made


@pytest.mark.parametrize(('names', 'expected'), [
    (None, ['tiny', 'tiny:stride4', 'weights:semantic_tiny']),
    (['tiny'], ['tiny', 'tiny:stride4']), (['tiny:stride4'], ['tiny:stride4']),
    (['weights:semantic_tiny'], ['weights:semantic_tiny'])])
def test_forms_are_chosen_by_name(forms, names, expected):
    assert [form.name for form in chosen_forms(names)] == expected


def test_an_unknown_network_names_the_known(forms):
    with pytest.raises(ValueError, match='--networks huge: unknown; known are tiny, tiny:stride4'):
        chosen_forms(['tiny', 'huge'])


def test_weights_that_ship_are_loaded_and_others_are_random(forms):
    models = {form.name: form.model() for form in all_forms()}
    assert [model.network.multiple for model in models.values()] == [2, 4, 1]
    assert [len(model.class_names) for model in models.values()] == [21, 21, 3]
    assert not any(model.training for model in models.values())
    again = Form('tiny', 'tiny').model()
    assert torch.equal(again.network.score.weight, models['tiny'].network.score.weight)
    torch.testing.assert_close(
        models['weights:semantic_tiny'].network.score.weight,
        tiny_model(stride=1).network.score.weight, atol=1e-2, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(('network', 'form'), [
    (network, form) for network, forms in FORMS.items() for form in forms])
def test_every_form_can_be_built(network, form):
    if network not in ARCHITECTURES:
        pytest.skip(f'{network} is not registered')
    model = Form(form, network, FORMS[network][form]).model()
    assert model.class_names == CLASSES


def test_backends_are_beside_eager_torch_and_agree(frames, tmp_path):
    backends = ['onnxruntime', 'openvino']
    for name in backends:
        pytest.importorskip(name)
    found = list(subjects_of(tiny_model(), backends, frames, str(tmp_path)))
    assert [(subject.name, note) for subject, note in found] == [
        (EAGER, '0.0 M weights'), ('onnxruntime', ''), ('openvino', '')]
    outputs = [subject.run(subject.prepare(3))[0] for subject, _ in found]
    assert outputs[0].shape == (1, 3, 48, 64)
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], atol=1e-3)


def test_what_cannot_be_exported_has_torch_alone(frames, tmp_path):
    found = list(subjects_of(tiny_model(exportable=False), ['onnxruntime'], frames, str(tmp_path)))
    assert [subject.name for subject, _ in found] == [EAGER]


def test_torchvisions_see_the_same_frames(frames, peers):
    subject = torchvision_subject(PEERS[0], frames)
    output, = subject.run(subject.prepare(5))
    assert output.shape == (1, len(CLASSES), 48, 64)
    mean, std = (torch.tensor(values)[:, None, None] for values in (
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    shown = (peers[0].seen[0][0] * std + mean) * 255
    np.testing.assert_allclose(shown, frames[5].color.transpose(2, 0, 1), atol=1e-3)


def test_a_section_a_network_with_ratios(frames, peers, forms):
    report = Report('semantic', {})
    measure_networks(report, chosen_forms(['tiny']), ['torch'], frames, iterations=2, warmup=1)
    rows = [(row.section, row.name, row.peer, row.wall_ms.count) for row in report.rows]
    assert rows == [
        (section, name, peer, 2) for section in ('tiny', 'tiny:stride4') for name, peer in (
            (EAGER, None), ('torch', EAGER), *((f'torchvision {name}', None) for name in PEERS))]
    assert [len(peer.seen) for peer in peers] == [6, 6]  # three rounds a form
    ratios = report.findings[f'tiny: torchvision {PEERS[0]} takes times as long']
    assert set(ratios) == {EAGER, 'torch'} and min(ratios.values()) > 0


@pytest.mark.slow
def test_the_command(tmp_path, capsys, peers, forms):
    (tmp_path / 'frames').mkdir()
    write_frame(tmp_path / 'frames', 'one', frame_of(64, 48))
    words = ['benchmark', 'semantic', '--device', 'cpu', '--backend', 'torch', '--iterations', '1',
             '--warmup', '1', '--input', str(tmp_path / 'frames'), '--network', 'tiny']
    code = main([*words, '--parts', 'networks', 'backends', '--networks', 'tiny:stride4',
                 '--json', str(tmp_path / 'b.json')])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert '## tiny:stride4' in printed.out
    found = json.loads((tmp_path / 'b.json').read_text())
    sections = {row['section'] for row in found['results']}
    assert sections == {'tiny:stride4', 'Frame to labels'}
    stages = {row['name'].split(': ')[1] for row in found['results'] if ': ' in row['name']}
    assert stages == {'preprocess', 'network', 'labels', 'total'}


@pytest.mark.parametrize(('words', 'expected'), [
    (['--parts', 'networks', '--networks', 'huge'], '--networks huge: unknown; known are'),
    (['--parts', 'paste'], '--parts paste: semantic has networks, backends, node'),
    (['--parts', 'node', '--weights', 'nowhere.pth'], 'no weights at nowhere.pth'),
])
def test_bad_arguments_are_one_line(words, expected, capsys, tmp_path):
    write_frame(tmp_path, 'one', frame_of(64, 48))
    assert main(['benchmark', 'semantic', '--input', str(tmp_path), *words]) == 2
    assert expected in capsys.readouterr().err

