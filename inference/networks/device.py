"""Choose where to compute and in which precision, and never crash over it.

Two of the organizers' GPUs are Pascal (P100, Titan Xp). A torch build carries
machine code for a list of GPU generations; on one that is not in it, every
kernel fails. That is found here beforehand: one warning, and the CPU.
"""

from __future__ import annotations

import os
import platform
import re
import warnings as python_warnings
from dataclasses import dataclass

import torch

from feta.errors import FetaError
from feta.machine import available_memory

CHOICES = ("auto", "cpu", "cuda")
#: What the user's environment may hold oneDNN to: instructions among which there are none that multiply bfloat16.
_ISA_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")


@dataclass(frozen=True)
class Compute:
    """Where and how to compute.

    Attributes:
        device: for ``module.to``.
        dtype: for autocast; float32 means no autocast.
        name: the processor's name, for run.json.
        warnings: why it is not what was asked for, one line each.
    """

    device: torch.device
    dtype: torch.dtype
    name: str
    warnings: tuple[str, ...] = ()

    @property
    def autocast(self) -> bool:
        """Whether half precision gains anything here."""
        return self.dtype is not torch.float32

    def precision(self) -> torch.autocast:
        """Context in which networks run in this precision."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.autocast)


def choose(request: str = "auto") -> Compute:
    """Choose a device.

    Args:
        request: 'auto' (a usable GPU if there is one), 'cpu', or 'cuda'.

    Raises:
        FetaError: unknown request, or 'cuda' where there is no GPU at all.
    """
    if request not in CHOICES:
        raise FetaError("--device", f"'{request}' is not one of {', '.join(CHOICES)}")
    if request == "cpu":
        return _cpu()
    available, notes = _gpu_available()
    if not available:
        if request == "cuda":
            raise FetaError("--device", ": ".join(["no GPU that torch can use was found", *notes]), "use --device auto")
        return _cpu(notes)
    reason = _why_unusable()
    if reason is not None:
        return _cpu((f"{reason}; computing on the CPU instead, which is slower",))
    capability = torch.cuda.get_device_capability(0)
    return Compute(torch.device("cuda"), gpu_dtype(capability), torch.cuda.get_device_name(0))


def memory_left(compute: Compute) -> int:
    """Bytes that can be had where the networks compute."""
    if compute.device.type == "cuda":
        return int(torch.cuda.mem_get_info(compute.device)[0])
    return available_memory()


def has_code_for(capability: tuple[int, int], architectures: list[str]) -> bool:
    """Whether a torch build can run on a GPU.

    Machine code (``sm_86``) runs on the same major generation from its minor number
    upwards; PTX (``compute_90``) is compiled for any later GPU; code with a suffix
    (``sm_90a``) runs on that very capability alone (CUDA C++ Programming Guide,
    "Compute capabilities").

    Args:
        capability: (major, minor) of the GPU.
        architectures: as ``torch.cuda.get_arch_list()`` gives them.
    """
    for architecture in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
        if match is None:
            continue
        kind, suffix = match[1], match[4]
        built = (int(match[2]), int(match[3]))
        if suffix == "a":
            fits = capability == built
        elif kind == "compute" and not suffix:
            fits = capability >= built
        else:
            fits = capability[0] == built[0] and capability[1] >= built[1]
        if fits:
            return True
    return False


def gpu_dtype(capability: tuple[int, int]) -> torch.dtype:
    """bfloat16 from Ampere on, float16 on Volta and Turing (tensor cores), else float32."""
    if capability >= (8, 0):
        return torch.bfloat16
    return torch.float16 if capability >= (7, 0) else torch.float32


def cpu_dtype() -> torch.dtype:
    """bfloat16 where the CPU multiplies it in hardware (AVX512-BF16 or AMX), else float32.

    Where oneDNN is kept from these instructions, bfloat16 takes minutes in place of seconds.
    """
    if any(os.environ.get(name, "").upper() in _WITHOUT_BFLOAT16 for name in _ISA_VARIABLES):
        return torch.float32
    abilities = torch.cpu.get_capabilities()
    fast = abilities.get("avx512_bf16", False) or abilities.get("amx_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def _gpu_available() -> tuple[bool, tuple[str, ...]]:
    """Ask torch for a GPU; a driver that is too old answers with a Python warning, which is kept as a line."""
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        available = torch.cuda.is_available()
    return available, tuple(" ".join(str(w.message).split()) for w in caught)


def _why_unusable() -> str | None:
    """One line that says why the first GPU can't be used, or None."""
    with python_warnings.catch_warnings():
        # torch warns at length about old GPUs; the line below says it once.
        python_warnings.simplefilter("ignore")
        name, capability = torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0)
        if not has_code_for(capability, torch.cuda.get_arch_list()):
            version = f"{capability[0]}.{capability[1]}"
            return f"this torch build has no code for the GPU {name} (compute capability {version})"
        try:
            float(torch.ones(8, device="cuda").sum())
        except RuntimeError as error:
            return f"the GPU {name} does not compute ({str(error).splitlines()[0]})"
    return None


def _cpu(notes: tuple[str, ...] = ()) -> Compute:
    name = platform.processor() or platform.machine()
    return Compute(torch.device("cpu"), cpu_dtype(), f"{name} CPU, {torch.get_num_threads()} threads", notes)
