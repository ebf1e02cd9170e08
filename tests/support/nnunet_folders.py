"""Results folders as nnU-Net v2 leaves them, small and with random weights, for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

NAMES = ("background", "csf", "gm", "wm", "lv", "cb", "sgm", "bs")
DATASET: dict[str, Any] = {
    "channel_names": {"0": "T2w"},
    "labels": {name: number for number, name in enumerate(NAMES)},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
FEATURES = (4, 8)
KERNELS, STRIDES = [[1, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2]]


def make_plans(residual: bool = False, **changes: Any) -> dict[str, Any]:
    """``plans.json`` in today's style; entries of the configuration or of the whole can be changed."""
    depths = {"n_blocks_per_stage": [1, 2]} if residual else {"n_conv_per_stage": [1, 2]}
    arguments = {
        "n_stages": 2, "features_per_stage": list(FEATURES), "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": KERNELS, "strides": STRIDES, "n_conv_per_stage_decoder": [1], "conv_bias": True, **depths,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None, "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
    }  # fmt: skip
    name = "ResidualEncoderUNet" if residual else "PlainConvUNet"
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": [8, 16, 16], "median_image_size_in_voxels": [16, 24, 24], "spacing": [1.0, 1.0, 1.0],
        "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [True], "batch_dice": False,
        "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }  # fmt: skip
    properties = {"mean": 300.0, "std": 120.0, "percentile_00_5": 20.0, "percentile_99_5": 700.0}
    plans: dict[str, Any] = {
        "dataset_name": "Dataset001_Made", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": properties},
        "configurations": {"3d_fullres": configuration},
    }  # fmt: skip
    for key, value in changes.items():
        (plans if key in plans else configuration)[key] = value
    return plans


def old_style(plans: dict[str, Any], kind: str) -> dict[str, Any]:
    """The same plans as nnU-Net wrote them before version 2.3."""
    configuration = plans["configurations"]["3d_fullres"]
    del configuration["architecture"]
    configuration |= {
        "UNet_class_name": kind, "UNet_base_num_features": FEATURES[0], "unet_max_num_features": FEATURES[1],
        "n_conv_per_stage_encoder": [1, 2], "n_conv_per_stage_decoder": [1], "num_pool_per_axis": [0, 1, 1],
        "pool_op_kernel_sizes": STRIDES, "conv_kernel_sizes": KERNELS,
    }  # fmt: skip
    return plans


def make_network(residual: bool, seed: int) -> nn.Module:
    """The library's own network with random weights, under which each of the eight labels is now and then likeliest."""
    torch.manual_seed(seed)
    kind: Callable[..., nn.Module] = ResidualEncoderUNet if residual else PlainConvUNet
    depths = {"n_blocks_per_stage": [1, 2]} if residual else {"n_conv_per_stage": [1, 2]}
    network = kind(
        input_channels=1, n_stages=2, features_per_stage=FEATURES, conv_op=nn.Conv3d, kernel_sizes=KERNELS,
        strides=STRIDES, num_classes=8, n_conv_per_stage_decoder=[1], conv_bias=True, norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
        deep_supervision=False, **depths,
    )  # fmt: skip
    # Normalised and rectified features are about 0.4 in the mean: each octant of three of them is one label.
    octants = torch.tensor([[1.0, -1.0][n >> bit & 1] for n in range(8) for bit in range(3)]).reshape(8, 3)
    with torch.no_grad():
        last = network.decoder.seg_layers[-1]
        last.weight.zero_()
        last.weight[:, :3, 0, 0, 0] = octants
        last.bias.copy_(-0.4 * octants.sum(1))
    return network.eval()


def make_checkpoint(network: nn.Module, plans: dict[str, Any], mirroring: tuple[int, ...] | None) -> dict[str, Any]:
    """The dictionary that nnU-Net's trainer saves, NumPy's scalars in its log included."""
    optimiser = torch.optim.SGD(network.parameters(), 1e-2, momentum=0.99, nesterov=True)
    return {
        "network_weights": network.state_dict(),
        "optimizer_state": optimiser.state_dict(),
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.1), np.float32(0.2)], "epoch_end_timestamps": [1.5, np.int64(3)]},
        "_best_ema": np.float64(0.15),
        "current_epoch": 2,
        "init_args": {
            "plans": plans, "configuration": "3d_fullres", "fold": 0, "dataset_json": DATASET,
            "device": torch.device("cpu"),
        },
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": mirroring,
    }  # fmt: skip


def make_folder(
    folder: Path,
    plans: dict[str, Any] | None = None,
    *,
    residual: bool = False,
    folds: tuple[str, ...] = ("0",),
    mirroring: tuple[int, ...] | None = None,
    checkpoint: str = "checkpoint_final.pth",
) -> Path:
    """Write a results folder."""
    plans = make_plans(residual) if plans is None else plans
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(DATASET))
    for seed, fold in enumerate(folds):
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        content = make_checkpoint(make_network(residual, seed), plans, mirroring)
        torch.save(content, folder / f"fold_{fold}" / checkpoint)
    return folder
