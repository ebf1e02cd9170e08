"""Small nnU-Nets made by nnU-Net v2's own trainer class: its network, its loss, its optimiser, its checkpoint.

Only the loop is ours, some hundred steps on one simulated case, since nnU-Net's own starts processes, and epochs of 250
steps. What it leaves behind is a results folder as any training leaves one.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

NAMES = ("background", "ecsf", "gm", "wm", "ventricles", "cerebellum", "sgm", "brainstem")
DATASET = {
    "channel_names": {"0": "T2w"},
    "labels": {name: number for number, name in enumerate(NAMES)},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
#: Residual blocks of each stage, as in nnU-Net's presets.
BLOCKS = [1, 3, 4, 6, 6, 6]


@dataclass(frozen=True)
class Kind:
    """A model to make.

    Attributes:
        name: for the table.
        residual: residual encoder rather than a plain one.
        spacing: of the network's voxels, mm, permuted axes.
        forward: permutation of the axes.
        patch: voxels, permuted axes.
        features: channels of each stage.
    """

    name: str
    residual: bool
    spacing: tuple[float, float, float]
    forward: tuple[int, int, int] = (0, 1, 2)
    patch: tuple[int, int, int] = (32, 32, 32)
    features: tuple[int, ...] = (8, 16, 32)


def plans(kind: Kind) -> dict[str, Any]:
    """``plans.json`` in today's style."""
    network = "ResidualEncoderUNet" if kind.residual else "PlainConvUNet"
    stages = len(kind.features)
    thick = kind.spacing[0] > 2 * kind.spacing[2]
    arguments = {
        "n_stages": stages,
        "features_per_stage": list(kind.features),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 3, 3] if thick else [3, 3, 3], *[[3, 3, 3]] * (stages - 1)],
        "strides": [[1, 1, 1], [1, 2, 2] if thick else [2, 2, 2], *[[2, 2, 2]] * (stages - 2)],
        **({"n_blocks_per_stage": BLOCKS[:stages]} if kind.residual else {"n_conv_per_stage": [2] * stages}),
        "n_conv_per_stage_decoder": [1 if kind.residual else 2] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(kind.patch),
        "median_image_size_in_voxels": [64.0, 64.0, 64.0],
        "spacing": list(kind.spacing),
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [True],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    return {
        "dataset_name": "Dataset001_Simulated",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(kind.spacing),
        "original_median_shape_after_transp": [64, 64, 64],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": list(kind.forward),
        "transpose_backward": np.argsort(kind.forward).tolist(),
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": {"mean": 300.0, "std": 100.0, "percentile_00_5": 1.0,
                                                              "percentile_99_5": 800.0}},
    }  # fmt: skip


def train(
    kind: Kind, image: np.ndarray, labels: np.ndarray, spacing: tuple[float, ...], root: Path, steps: int
) -> Path:
    """Overfit a model on one case, and save it as nnU-Net's trainer does.

    Args:
        kind: what to make.
        image: float32 (z, y, x).
        labels: 0–7, the same shape.
        spacing: mm along (z, y, x).
        root: stands for ``nnUNet_results``.
        steps: of the optimiser, at least.

    Returns:
        the results folder, which holds ``fold_0``.
    """
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(root)
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    described = plans(kind)
    copied = copy.deepcopy(described)
    trainer = nnUNetTrainer(copied | {"continue_training": False}, "3d_fullres", 0, DATASET, torch.device("cpu"))
    trainer.network = trainer.build_network_architecture(
        trainer.plans_manager, trainer.configuration_manager, 1, len(NAMES), True
    )
    trainer.optimizer, trainer.lr_scheduler = trainer.configure_optimizers()
    trainer.loss = trainer._build_loss()
    trainer.inference_allowed_mirroring_axes = (0, 1, 2)
    case = DefaultPreprocessor(verbose=False).run_case_npy(
        image[None], labels[None].astype(np.int16), {"spacing": list(spacing)},
        trainer.plans_manager, trainer.configuration_manager, DATASET,
    )  # fmt: skip
    data, truth = torch.from_numpy(case[0]), torch.from_numpy(case[1].astype(np.int16)).clamp_min(0)
    rng = np.random.default_rng(0)
    seen: list[set[int]] = []
    # Until all eight labels are predicted of late, and for so many steps at least.
    while len(seen) < steps or (len(set().union(*seen[-20:])) < len(NAMES) and len(seen) < 20 * steps):
        seen.append(_step(trainer, *_patches(data, truth, kind.patch, rng)))
        if len(seen) % 25 == 0:
            trainer.logger.log("train_losses", np.float32(len(seen)), len(seen) // 25 - 1)
    trainer._best_ema = np.float64(0.5)
    folder = Path(trainer.output_folder).parent
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    (folder / "plans.json").write_text(json.dumps(described, indent=1))
    (folder / "dataset.json").write_text(json.dumps(DATASET, indent=1))
    return folder


def _step(trainer: Any, data: Tensor, truth: Tensor) -> set[int]:
    """One step as in ``nnUNetTrainer.train_step``, the truth made small for each depth; the labels predicted."""
    trainer.optimizer.zero_grad(set_to_none=True)
    outputs = trainer.network(data)
    targets = [torch.nn.functional.interpolate(truth.float(), size=o.shape[2:], mode="nearest-exact") for o in outputs]
    trainer.loss(outputs, targets).backward()
    torch.nn.utils.clip_grad_norm_(trainer.network.parameters(), 12)
    trainer.optimizer.step()
    return set(outputs[0].argmax(1).unique().tolist())


def _patches(
    data: Tensor, truth: Tensor, patch: tuple[int, int, int], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Two patches around voxels of labels that are drawn evenly, so that small tissues are seen as well."""
    boxes = []
    for _ in range(2):
        label = rng.choice(np.unique(truth.numpy()))
        centre = rng.permutation(np.argwhere(truth[0].numpy() == label))[0]
        low = [
            int(np.clip(c - p // 2, 0, max(0, s - p))) for c, p, s in zip(centre, patch, truth.shape[1:], strict=True)
        ]
        boxes.append((slice(None), *(slice(start, start + side) for start, side in zip(low, patch, strict=True))))
    shape = list(patch)
    padded = [_padded(data[box], shape) for box in boxes], [_padded(truth[box], shape) for box in boxes]
    return torch.stack(padded[0]), torch.stack(padded[1])


def _padded(piece: Tensor, shape: list[int]) -> Tensor:
    lacking = [side - have for side, have in zip(shape, piece.shape[1:], strict=True)]
    return torch.nn.functional.pad(piece, [n for lack in reversed(lacking) for n in (0, lack)])
