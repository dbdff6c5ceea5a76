"""What is said where the kernels cannot run."""

import logging
from typing import Any

import pytest
import torch

from cartoon_dist.gpu import triton_support


@pytest.fixture(autouse=True)
def _h100(monkeypatch: pytest.MonkeyPatch) -> None:
    triton_support.can_run_kernels.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a card")


def test_machine_without_a_c_compiler_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with caplog.at_level(logging.WARNING):
        assert [triton_support.can_run_kernels(torch.device("cuda", 0)) for _ in range(3)] == [False] * 3
    [record] = caplog.records
    assert "install gcc, or set CC" in record.getMessage()


def test_machine_without_triton_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(triton_support.importlib.util, "find_spec", lambda _: None)
    assert not triton_support.can_run_kernels(torch.device("cuda", 0))
    assert "Triton is not installed" in caplog.text


def test_old_gpu_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))
    assert not triton_support.can_run_kernels(torch.device("cuda", 0))
    assert "compute capability 8.0 or more, and a card has 7.0" in caplog.text


def test_machine_with_all_of_it_runs_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\n", encoding="utf-8")
    compiler.chmod(0o755)
    (tmp_path / "Python.h").touch()
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setattr(triton_support.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(triton_support.importlib.util, "find_spec", lambda _: object())
    assert triton_support.can_run_kernels(torch.device("cuda", 0))
