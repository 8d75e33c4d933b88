"""Other programs' engines as guests in a process that goes on without them."""

from __future__ import annotations

import signal
from threading import Thread

import pytest
import torch

from verydeep.engines.runtimes import OpenVino
from verydeep.nets.network import build


def test_a_signal_is_handled_after_another_thread_let_openvino_go() -> None:
    pytest.importorskip("openvino")
    runs = [OpenVino(build("A", classes=2, width=0.0625, crop=32, fc=4))]
    views, heard = torch.zeros(1, 32, 32, 3, dtype=torch.uint8), list[int]()

    def last_of_all() -> None:
        runs.pop()(views)

    thread = Thread(target=last_of_all)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]
