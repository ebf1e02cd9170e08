"""Fetal anatomy learned from atlases: age, pathology and a latent code → a brain of soft labels and T2w signal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load, save

from feta.errors import FetaError
from inference.networks.weights import described
from training.anatomy.decoder import AnatomyNetwork, AnatomySettings
from training.anatomy.normalised_frame import SizeModel, norm_scale, to_canonical
from training.anatomy.template import CHANNELS, Template

REMEDY = "restore the weights folder from the repository"


@dataclass(frozen=True)
class Anatomy:
    """The trained model, ready to draw brains of any age from 20 to 38 weeks.

    Attributes:
        network: the decoder.
        sizes: of the cerebrum, by age.
        latents: codes of the brains that it learned from, by their names.
        known: names of these, and of their source subjects; nobody who holds one of them out may learn from its brains.
    """

    network: AnatomyNetwork
    sizes: SizeModel
    latents: Mapping[str, npt.NDArray[np.float32]]
    known: frozenset[str]

    @classmethod
    def load(cls, path: Path) -> Anatomy:
        """Read weights written by ``feta-train fit anatomy``.

        Args:
            path: of the file; where ``model.yaml`` beside it names the file, its sha256 must be the one there.

        Raises:
            FetaError: the file is missing, damaged, or is not an anatomy.
        """
        try:
            data = path.read_bytes()
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            about = json.loads(header["anatomy"])
        except OSError as error:
            raise FetaError(path, f"cannot be read ({error.strerror})", REMEDY) from error
        except (KeyError, ValueError) as error:
            raise FetaError(path, "is not a learned anatomy", REMEDY) from error
        expected = described(path.parent).get(path.stem, {}).get("sha256")
        if expected not in (None, hashlib.sha256(data).hexdigest()):
            raise FetaError(path, "is damaged or another version: its sha256 differs from model.yaml's", REMEDY)
        shape: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about["network"].items()}
        network = AnatomyNetwork(AnatomySettings(**shape))
        network.load_state_dict({name: tensor.float() for name, tensor in load(data).items()})
        latents = {name: np.array(code, np.float32) for name, code in about["latents"].items()}
        known = frozenset({*latents, *about.get("known", ())})
        return cls(network.eval(), SizeModel(**about["sizes"]), latents, known)

    def packed(self, name: str, settings: AnatomySettings) -> tuple[bytes, dict[str, Any]]:
        """Float16 weights as the bytes of a file, and its entry for ``model.yaml`` under this name."""
        tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in self.network.state_dict().items()}
        about = {
            "network": asdict(settings),
            "sizes": asdict(self.sizes),
            "latents": {name: [round(float(v), 4) for v in code] for name, code in self.latents.items()},
            "known": sorted(self.known),
        }
        data = save(tensors, metadata={"anatomy": json.dumps(about)})
        return data, {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "brains": sorted(self.known)}

    def __call__(
        self,
        age: float,
        pathology: float = 0.0,
        latent: npt.NDArray[np.floating] | None = None,
        atlas_size: bool = False,
    ) -> Template:
        """Draw one brain.

        Args:
            age: weeks; beyond 21–38 the shape is extrapolated.
            pathology: 0 neurotypical to 1 spina bifida.
            latent: code of the individual, in units of the training brains' spread; 0, the average, by default.
            atlas_size: keep the atlases' size, about 11 % above the published curves' means, which are the default.
        """
        code = torch.zeros(1, self.network.latent)
        if latent is not None:
            spread = np.std(list(self.latents.values()), axis=0) if self.latents else 1.0
            code[0] = torch.as_tensor(latent * spread, dtype=torch.float32)
        with torch.inference_mode(), _one_thread():
            # The CPU decides by its own means whether bfloat16 is fast; float32 gives the same bytes everywhere.
            out = self.network(torch.tensor([float(age)]), torch.tensor([float(pathology)]), code)[0]
        half = self.sizes.half(age, pathology)
        if not atlas_size:
            half = half * norm_scale(self.sizes, age)
        matrix = np.linalg.inv(to_canonical(half))
        return Template(out[:CHANNELS].contiguous(), out[CHANNELS:].contiguous(), matrix)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Several threads add in another order, so that a seed would give other bytes on a machine of more cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
