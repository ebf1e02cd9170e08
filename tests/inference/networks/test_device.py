"""The choice of a device never crashes, and says why it is not the one asked for."""

from __future__ import annotations

import warnings

import pytest
import torch

from feta.errors import FetaError
from inference.networks.device import choose, cpu_dtype, gpu_dtype, has_code_for

#: As torch 2.13's ordinary build lists them.
MODERN = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.mark.parametrize(
    ("capability", "architectures", "expected"),
    [
        ((8, 6), MODERN, True),
        ((8, 9), MODERN, True),
        ((9, 0), MODERN, True),
        ((6, 0), MODERN, False),
        ((6, 1), MODERN, False),
        ((7, 0), MODERN, False),
        ((6, 1), ["sm_60"], True),
        ((6, 0), ["sm_61"], False),
        ((12, 1), ["sm_90", "compute_90"], True),
        ((7, 0), ["compute_90"], False),
        ((9, 0), ["sm_90a"], True),
        ((9, 1), ["sm_90a"], False),
        ((8, 6), [], False),
        ((8, 6), ["gfx90a", "nonsense"], False),
    ],
)
def test_has_code_for(capability: tuple[int, int], architectures: list[str], expected: bool) -> None:
    assert has_code_for(capability, architectures) is expected


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((6, 1), torch.float32), ((7, 0), torch.float16), ((7, 5), torch.float16), ((8, 0), torch.bfloat16)],
)
def test_gpu_dtype(capability: tuple[int, int], dtype: torch.dtype) -> None:
    assert gpu_dtype(capability) is dtype


@pytest.mark.parametrize(("abilities", "dtype"), [({"avx512_bf16": True}, torch.bfloat16), ({}, torch.float32)])
def test_cpu_dtype(abilities: dict, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert cpu_dtype() is dtype


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
@pytest.mark.parametrize(
    ("held_to", "dtype"),
    [
        ("AVX2", torch.float32),
        ("avx512_core", torch.float32),
        ("AVX512_CORE_BF16", torch.bfloat16),
        ("ALL", torch.bfloat16),
    ],
)
def test_no_bfloat16_where_its_instructions_are_held_back(
    variable: str, held_to: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setenv(variable, held_to)
    assert cpu_dtype() is dtype


def pretend_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=0: "Some GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=0: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: MODERN)


@pytest.mark.parametrize("request_", ["auto", "cuda"])
def test_pascal_gets_one_warning_and_the_cpu(request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpu(monkeypatch, (6, 1))
    compute = choose(request_)
    assert compute.device.type == "cpu"
    assert len(compute.warnings) == 1
    assert "Some GPU" in compute.warnings[0]
    assert "6.1" in compute.warnings[0]


def test_a_gpu_that_fails_at_once_gets_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available\nand more lines")

    pretend_gpu(monkeypatch, (8, 6))
    monkeypatch.setattr(torch, "ones", fail)
    compute = choose("auto")
    assert compute.device.type == "cpu"
    assert "no kernel image" in compute.warnings[0]
    assert "\n" not in compute.warnings[0]


def test_a_gpu_that_computes_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpu(monkeypatch, (8, 6))
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda n, device=None: ones(n))
    compute = choose("auto")
    assert (compute.device.type, compute.dtype, compute.warnings) == ("cuda", torch.bfloat16, ())


def old_driver() -> bool:
    warnings.warn("The NVIDIA driver on your system is too old\n(found version 11040).", stacklevel=1)
    return False


def test_an_old_driver_becomes_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", old_driver)
    assert choose("auto").warnings == ("The NVIDIA driver on your system is too old (found version 11040).",)


@pytest.mark.parametrize("request_", ["cuda", "tpu"])
def test_what_cant_be_had_is_refused(request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FetaError):
        choose(request_)


def test_without_a_gpu_auto_is_the_cpu_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    compute = choose("auto")
    assert compute.device.type == "cpu"
    assert compute.warnings == ()
    assert compute.autocast == (compute.dtype is not torch.float32)
