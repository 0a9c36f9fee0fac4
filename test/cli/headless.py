# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A page in a headless Chromium and its picture, over the browser's debugging pipe."""

import base64
import json
import os
import subprocess
import time


class Page:
    """Open an address; ``picture()`` returns it as PNG bytes."""

    def __init__(self, program, address, profile, size=(1400, 900)):
        to_browser, from_browser = os.pipe(), os.pipe()

        def at_start():
            # Chromium reads commands at 3 and answers at 4; beyond them nothing is disturbed.
            read, write = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, '--headless=new', '--no-sandbox', '--remote-debugging-pipe',
             '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
             '--ignore-gpu-blocklist', f'--user-data-dir={profile}',
             f'--window-size={size[0]},{size[1]}', 'about:blank'],
            close_fds=False, preexec_fn=at_start, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._write = os.fdopen(to_browser[1], 'wb', buffering=0)
        self._read = os.fdopen(from_browser[0], 'rb', buffering=0)
        self._number, self._rest = 0, b''
        target = self._ask('Target.createTarget', {'url': address})['targetId']
        self._session = self._ask(
            'Target.attachToTarget', {'targetId': target, 'flatten': True})['sessionId']

    def picture(self):
        answer = self._ask('Page.captureScreenshot', {'format': 'png'}, self._session)
        return base64.b64decode(answer['data'])

    def picture_when(self, is_good, timeout_s):
        """Return the first picture that is good, or the last one after the timeout."""
        end = time.monotonic() + timeout_s
        while True:
            picture = self.picture()
            if is_good(picture) or time.monotonic() > end:
                return picture
            time.sleep(1.0)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._write.close()
        self._read.close()

    def _ask(self, method, parameters, session=None):
        self._number += 1
        command = {'id': self._number, 'method': method, 'params': parameters}
        if session is not None:
            command['sessionId'] = session
        self._write.write(json.dumps(command).encode() + b'\0')
        while True:
            answer = self._message()
            if answer.get('id') == self._number:
                assert 'error' not in answer, answer
                return answer['result']

    def _message(self):
        while b'\0' not in self._rest:
            data = self._read.read(1 << 20)
            assert data, 'the browser ended'
            self._rest += data
        message, _, self._rest = self._rest.partition(b'\0')
        return json.loads(message)
