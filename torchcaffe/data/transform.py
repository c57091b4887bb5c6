"""`transform_param` applied to one datum: crop, mirror, mean and scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, pb, read_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DataTransform:
    """Turns C x H x W values into float32 C x h x w, as a TransformationParameter requests.

    Crops are random in TRAIN and central in TEST; a mirror is a coin flip in both. A mean file is
    subtracted at the source pixel, mean values per channel (or one for all); then all is scaled.
    `where` names the layer in errors; crops and flips are drawn from `random`.
    """

    def __init__(
        self,
        param: pb.TransformationParameter,
        phase: int,
        random: np.random.Generator,
        where: str,
    ) -> None:
        self.crop, self.mirror, self.scale = param.crop_size, param.mirror, param.scale
        self.train, self.random, self.where = phase == pb.TRAIN, random, where
        if param.force_color and param.force_gray:
            raise InputError(f"{where}: force_color and force_gray exclude each other.")
        self.color = True if param.force_color else False if param.force_gray else None
        if param.mean_file and param.mean_value:
            raise InputError(f"{where}: takes mean_file or mean_value, not both.")
        self.mean: NDArray[np.float32] | None = None
        self.mean_values: NDArray[np.float32] | None = None
        if param.mean_file:
            self.mean = read_mean(param.mean_file)
        elif param.mean_value:
            self.mean_values = np.array(param.mean_value, np.float32)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape (C, h, w) of the result for values of `shape` (C, H, W).

        Raises `InputError` for an image smaller than the crop.
        """
        channels, height, width = shape
        if not self.crop:
            return channels, height, width
        if self.crop > min(height, width):
            raise InputError(
                f"{self.where}: crop_size is {self.crop}, but an image has {height} x {width} "
                "pixels; make the crop smaller or the images larger."
            )
        return channels, self.crop, self.crop

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Transform `values` (C x H x W, of any type) into float32 C x h x w.

        Raises `InputError` for an image that does not fit the crop or the mean.
        """
        _, height, width = self.shape(values.shape)
        rows, columns = values.shape[1] - height, values.shape[2] - width
        if self.train and self.crop:
            top, left = (int(self.random.integers(room + 1)) for room in (rows, columns))
        else:
            top, left = rows // 2, columns // 2
        window = slice(None), slice(top, top + height), slice(left, left + width)
        result = values[window].astype(np.float32)
        if self.mean is not None:
            if self.mean.shape != values.shape:
                raise InputError(
                    f"{self.where}: its mean_file has the shape {self.mean.shape}, but an image "
                    f"has {values.shape} (C, H, W before cropping); use the mean of these images."
                )
            result -= self.mean[window]
        elif self.mean_values is not None:
            if len(self.mean_values) not in (1, len(result)):
                raise InputError(
                    f"{self.where}: has {len(self.mean_values)} mean_value, but an image has "
                    f"{len(result)} channels; give one in all or one per channel."
                )
            result -= self.mean_values[:, None, None]
        if self.scale != 1:
            result *= self.scale
        if self.mirror and self.random.integers(2):
            result = result[:, :, ::-1]
        return result
