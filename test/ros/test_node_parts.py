# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parts of the node without the middleware: QoS choice, figures, answers."""

import math
from types import SimpleNamespace

import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from std_srvs.srv import Trigger

from seg_ros.nodes import qos
from seg_ros.nodes.answers import SegmentService
from seg_ros.nodes.diagnostics import status_message
from seg_ros.nodes.statistics import CpuMeter, Statistics, memory_mb

RELIABLE, BEST_EFFORT = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT


def publishers(*reliabilities):
    return [SimpleNamespace(qos_profile=SimpleNamespace(reliability=r)) for r in reliabilities]


@pytest.mark.parametrize(('wanted', 'found', 'expected'), [
    ('auto', [], BEST_EFFORT),
    ('auto', [RELIABLE], RELIABLE),
    ('auto', [BEST_EFFORT], BEST_EFFORT),
    ('auto', [RELIABLE, BEST_EFFORT], BEST_EFFORT),
    ('reliable', [BEST_EFFORT], RELIABLE),
    ('best_effort', [RELIABLE], BEST_EFFORT),
])
def test_reliability_follows_the_publishers(wanted, found, expected):
    assert qos.chosen_reliability(wanted, publishers(*found)) == expected


def test_outputs_are_as_the_contract_says():
    latched = qos.latched()
    assert (latched.reliability, latched.durability, latched.depth) == (
        RELIABLE, QoSDurabilityPolicy.TRANSIENT_LOCAL, 1)
    assert qos.reliable().durability == QoSDurabilityPolicy.VOLATILE
    assert qos.input_profile(BEST_EFFORT).depth == 10


def test_figures():
    now = [100.0]
    statistics = Statistics(clock=lambda: now[0])
    assert all(map(math.isnan, statistics.latency_ms()))
    for n in range(20):
        now[0] += 0.1
        statistics.finished(0.010 + 0.001 * n)
    assert statistics.rate_hz() == pytest.approx(20 / 5.0)
    assert statistics.latency_ms() == pytest.approx((19.5, 28.05))
    now[0] += 6
    assert statistics.rate_hz() == 0
    statistics.failed('size', 'sizes differ')
    statistics.dropped('overtaken', 3)
    assert statistics.counts() == {'size': 1, 'overtaken': 3}
    assert statistics.recent_trouble().text == 'sizes differ'
    now[0] += 6
    assert statistics.recent_trouble() is None
    assert memory_mb() > 10


@pytest.mark.parametrize(('problems', 'level', 'text'), [
    ([], b'\x00', 'segmenting'),
    ([(b'\x01', 'a'), (b'\x02', 'b')], b'\x02', 'a; b'),
])
def test_the_worst_problem_is_the_level(problems, level, text):
    status = status_message('node: segmentation', problems, {'rate_hz': 29.987, 'segmented': 3})
    assert (status.level, status.message) == (level, text)
    assert [(v.key, v.value) for v in status.values] == [('rate_hz', '29.99'), ('segmented', '3')]


class FakeNode:
    """Make a service as rclpy does and let a test play its executor."""

    def __init__(self):
        self.sent = []

    def create_service(self, kind, name, callback, callback_group):
        self.callback = callback
        self.service = SimpleNamespace(
            send_response=lambda response, header: self.sent.append((header, response.message)))
        return self.service

    def request(self, header):
        response = self.callback(Trigger.Request(), Trigger.Response())
        self.service.send_response(response, header)


def test_an_answer_is_sent_when_it_is_there_and_once():
    node, calls = FakeNode(), []
    service = SegmentService(node, calls.append)
    node.request('first')
    node.request('second')
    assert node.sent == []
    assert service.open_calls() == calls
    service.answer(calls, True, 'found')
    service.answer(calls, False, 'too late')
    assert node.sent == [('first', 'found'), ('second', 'found')]
    assert service.open_calls() == []


def test_an_answer_before_the_executor_has_the_header_is_kept():
    node = FakeNode()
    service = SegmentService(node, lambda call: service.answer([call], False, 'inactive'))
    node.request('first')
    assert node.sent == [('first', 'inactive')]


def test_too_many_calls_are_refused_at_once():
    node = FakeNode()
    service = SegmentService(node, lambda call: None)
    for n in range(65):
        node.request(n)
    assert node.sent == [(64, '64 calls wait already: call again later')]
    service.answer(service.open_calls(), True, 'done')
    assert len(node.sent) == 65


def test_cpu_use_is_of_the_time_since_the_last_call():
    now, used = [100.0], [5.0]
    meter = CpuMeter(lambda: now[0], lambda: used[0])
    assert math.isnan(meter.percent())
    now[0], used[0] = 102.0, 6.0
    assert meter.percent() == pytest.approx(50.0)
    now[0], used[0] = 103.0, 7.5
    assert meter.percent() == pytest.approx(150.0)
