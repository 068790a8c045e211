"""Networks of other packages, each a function without arguments, as `edgeunet import` wants it; random weights."""

from __future__ import annotations

from functools import partial

from benchmarks.studies.peers.peer_program import define_operators

define_operators()

import segmentation_models_pytorch as smp  # noqa: E402
from torchvision.models import segmentation  # noqa: E402
from transformers import SegformerConfig, SegformerForSemanticSegmentation  # noqa: E402

CLASSES = 5  # as the sample frames have
_MOBILENETV3 = "tu-mobilenetv3_large_100"  # timm's
_ANEW = {"encoder_weights": None, "classes": CLASSES}

unet_resnet18 = partial(smp.Unet, "resnet18", **_ANEW)
unet_mobilenet_v2 = partial(smp.Unet, "mobilenet_v2", **_ANEW)
unet_efficientnet_b0 = partial(smp.Unet, "efficientnet-b0", **_ANEW)
unet_mobilenetv3 = partial(smp.Unet, _MOBILENETV3, **_ANEW)
unet_mit_b0 = partial(smp.Unet, "mit_b0", **_ANEW)
fpn_resnet18 = partial(smp.FPN, "resnet18", **_ANEW)
fpn_efficientnet_b0 = partial(smp.FPN, "efficientnet-b0", **_ANEW)
fpn_mit_b0 = partial(smp.FPN, "mit_b0", **_ANEW)
deeplabv3plus_resnet18 = partial(smp.DeepLabV3Plus, "resnet18", **_ANEW)
deeplabv3plus_mobilenet_v2 = partial(smp.DeepLabV3Plus, "mobilenet_v2", **_ANEW)
deeplabv3plus_mobilenetv3 = partial(smp.DeepLabV3Plus, _MOBILENETV3, **_ANEW)
lraspp = partial(segmentation.lraspp_mobilenet_v3_large, weights=None, weights_backbone=None, num_classes=CLASSES)
deeplabv3 = partial(
    segmentation.deeplabv3_mobilenet_v3_large, weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True
)


def segformer_b0() -> SegformerForSemanticSegmentation:
    """The sizes of B0 are transformers' own defaults."""
    return SegformerForSemanticSegmentation(SegformerConfig(num_labels=CLASSES))
