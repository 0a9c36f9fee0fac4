# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from dense_problems import problem

from seg_ros.crf.dense import DenseCrf
from seg_ros.crf.kernels import Bilateral, Gaussian
from seg_ros.crf.rnn import CrfRnn


def tensors(rows, columns, labels):
    costs, color = problem(rows, columns, labels)
    logits = torch.from_numpy(-costs.transpose(2, 0, 1))[None]
    return logits, torch.from_numpy(color.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.mark.parametrize('gradients', [True, False])
@pytest.mark.parametrize(('training', 'iterations'), [(True, 2), (False, 4)])
def test_starts_as_the_crf_of_potts(training, iterations, gradients):
    layer = CrfRnn(5, bilateral_px=20.0, bilateral_color=30.0, iterations=4,
                   training_iterations=2).train(training)
    logits, color = tensors(20, 24, 5)
    kernels = (Gaussian(3.0, 3.0), Bilateral(20.0, 30.0, weight=5.0))
    expected = DenseCrf(kernels, iterations=iterations).infer(
        -logits[0].permute(1, 2, 0).numpy(), color[0].permute(1, 2, 0).numpy())
    with torch.set_grad_enabled(gradients):
        found = torch.softmax(layer(logits, color), 1)[0].permute(1, 2, 0).detach().numpy()
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-4)


def test_a_compatibility_that_is_not_symmetric_runs_compiled_as_by_torch():
    torch.manual_seed(0)
    layer = CrfRnn(4, bilateral_px=20.0, bilateral_color=30.0).eval()
    with torch.no_grad():
        layer.compatibility.add_(torch.randn(4, 4) * 0.3)
        layer.gaussian_weight.add_(torch.randn(4))
    logits, color = tensors(20, 24, 4)
    by_torch = torch.softmax(layer(logits, color), 1).detach()
    with torch.no_grad():
        compiled = torch.softmax(layer(logits, color), 1)
    np.testing.assert_allclose(compiled.numpy(), by_torch.numpy(), atol=1e-4)


def test_gradients_in_float64():
    layer = CrfRnn(3, bilateral_px=4.0, bilateral_color=40.0, training_iterations=2).double()
    logits, color = tensors(5, 6, 3)
    logits = logits.double().requires_grad_()
    with torch.no_grad():
        layer.compatibility.add_(torch.randn(3, 3, dtype=torch.float64))  # not symmetric

    def run(logits, *_):
        return layer(logits, color)

    assert torch.autograd.gradcheck(run, (logits, *layer.parameters()))


def test_learns_to_mend_a_noisy_classifier():
    torch.manual_seed(0)
    truth = torch.zeros(1, 24, 24, dtype=torch.long)
    truth[:, :, 12:] = 1
    color = torch.where(truth[:, None] > 0, 200.0, 60.0).expand(1, 3, 24, 24)
    logits = torch.nn.functional.one_hot(truth, 2).permute(0, 3, 1, 2) + torch.randn(1, 2, 24, 24)
    layer = CrfRnn(2, bilateral_px=20.0, bilateral_color=20.0, gaussian_weight=0.1,
                   bilateral_weight=0.1)
    optimizer = torch.optim.Adam(layer.parameters(), 0.1)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(layer(logits, color), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize('changes', [{'labels': 0}, {'iterations': 0}, {'gaussian_px': 0.0}])
def test_refuses(changes):
    with pytest.raises(ValueError, match='1 or more|above 0'):
        CrfRnn(**({'labels': 2} | changes))


def test_refuses_images_of_another_size():
    with pytest.raises(ValueError, match='of the same images'):
        CrfRnn(2)(torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 8, 9))
