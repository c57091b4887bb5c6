"""The upper part of an FCN: scores, bilinear upsampling, skips, crops.

    score_fr -> upscore_fr --+
    features -> score_<blob> + -> fuse_<blob> -> ... -> upscore -> score, of the image's size

As Long, Shelhamer and Darrell (2015) built it: 1x1 scores that start at zero, fixed bilinear
interpolation, sums. A kernel of twice the factor puts new pixels half-way between old ones, one
that is a pixel smaller puts them onto old ones; the geometry decides which one aligns both maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, geometry, pb

from ..blobs import add_layer
from . import crops

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction


class Head:
    """Adds layers to the end of `net`, whose last layer gives the coarsest scores.

    image: the net's input blob; stride: its coarsest stride. `made` collects what each layer is for
    ({name: text}).
    """

    def __init__(self, net: pb.NetParameter, image: str, classes: int, stride: int) -> None:
        self.net, self.image, self.classes, self.stride = net, image, classes, stride
        self.made: dict[str, str] = {}
        self.scores = net.layer[-1].top[0]

    def fuse(self, blob: str, factor: int) -> None:
        """Upsample the scores by `factor` and add those of the features `blob`."""
        fine = self._add(f"score_{blob}", "Convolution", blob, f"scores {blob}, starts at zero")
        fine.param.add(lr_mult=1, decay_mult=1)
        fine.param.add(lr_mult=2, decay_mult=0)
        fine.convolution_param.num_output = self.classes
        fine.convolution_param.kernel_size.append(1)
        fine_name = fine.top[0]
        up = self._upsample(f"upscore_{self._suffix()}", factor, fine_name)
        meeting = self._meet(fine_name, up)
        total = add_layer(self.net, f"fuse_{blob}", "Eltwise", *meeting)
        self.made[total.name] = "adds both scores"
        total.eltwise_param.operation = pb.EltwiseParameter.SUM
        self.scores = total.top[0]

    def finish(self, factor: int, padding: crops.InputPadding, low: int) -> int:
        """Upsample the scores to the image's pixels and crop them to its size.

        padding: the net's `InputPadding`, which is set to the smallest value, at least `low`, with
        which the scores cover every image; returns it, in pixels.
        """
        up = self.scores
        # Features as dense as the image may still lie between its pixels.
        if factor > 1 or not _whole(crops.shift(self.net, up, self.image)):
            up = self._upsample("upscore", factor, self.image)
        pad = padding.least(
            lambda: crops.excess(self.net, self.image, up, self.image, self.stride) <= 0, low
        )
        if pad is None:
            raise InputError(
                f'blob "{up}": no padding of the image makes it as large as the image: the '
                "classifier's layers shrink larger ones too much"
            )
        self.scores = self._crop("score", up, self.image)
        return pad

    def set_offsets(self) -> None:
        """Give every Crop of the head the offset that aligns its bottoms in the net as it is."""
        for layer in self.net.layer:
            if layer.type == "Crop" and layer.name in self.made:
                offset = geometry.crop_offset(self.net, layer.name)
                del layer.crop_param.offset[:]
                layer.crop_param.offset.extend([offset] if isinstance(offset, int) else offset)

    def _suffix(self) -> str:
        return self.scores.partition("_")[2] or self.scores

    def _upsample(self, name: str, factor: int, reference: str) -> str:
        """Enlarge the scores so that their pixels lie on those of the blob `reference`."""
        layer = self._add(name, "Deconvolution", self.scores, "")
        layer.param.add(lr_mult=0, decay_mult=0)
        param = layer.convolution_param
        param.num_output = param.group = self.classes
        param.bias_term = False
        param.stride.append(factor)
        param.weight_filler.type = "bilinear"
        for kernel in (2 * factor, 2 * factor - 1):
            del param.kernel_size[:]
            param.kernel_size.append(kernel)
            offset = crops.shift(self.net, layer.top[0], reference)
            if _whole(offset):
                self.made[layer.name] = f"enlarges by {factor}, bilinear, fixed"
                return layer.top[0]
        between = " x ".join(f"{float(first):g}" for first in offset)
        raise InputError(
            f'layer "{layer.name}": the pixels of the enlarged scores lie between those of '
            f'"{reference}" (offset {between}) with either kernel, because the kernels and '
            "paddings of the classifier differ between height and width; choose another {option}",
            option="stride",
        )

    def _meet(self, fine: str, up: str) -> list[str]:
        """Both blobs, one of them cropped (and the fine one padded if neither covers the other).

        Long et al. crop the finer scores, as unpadded convolutions shrink the coarser ones more.
        """
        inside = crops.excess(self.net, self.image, fine, up, self.stride)
        if inside <= 0:
            return [up, self._crop(f"{fine}c", fine, up)]
        if crops.excess(self.net, self.image, up, fine, self.stride) <= 0:
            return [self._crop(f"{up}c", up, fine), fine]
        layer = next(layer for layer in self.net.layer if fine in layer.top)
        layer.convolution_param.pad.append(int(inside))
        self.made[layer.name] += f", padded by {int(inside)}"
        return [up, self._crop(f"{fine}c", fine, up)]

    def _crop(self, name: str, big: str, small: str) -> str:
        layer = crops.add_crop(self.net, name, big, small)
        self.made[layer.name] = f"crops {big} to the size of {small}"
        return layer.top[0]

    def _add(self, name: str, kind: str, bottom: str, text: str) -> pb.LayerParameter:
        layer = add_layer(self.net, name, kind, bottom)
        self.made[layer.name] = text
        return layer


def _whole(offset: Iterable[Fraction]) -> bool:
    return all(first.denominator == 1 for first in offset)
