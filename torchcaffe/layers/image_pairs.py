"""Layers of forks that read images with label images, which a text file lists pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Union

import numpy as np

from caffeformat import InputError, datum_to_array, encoded_datum, pb
from caffeformat.files import read_bytes
from torchcaffe.data import DataTransform, resize_pixels

from .base import Param, Shape, Shapes, register
from .data import SETUP, BatchLayer, read_image, read_lines
from .listing import Rounds, listed_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Size = tuple[int, int]

# A line of the list: the path of an image, and the path of its label or a class for all its pixels
_Line = tuple[str, Union[str, int]]


class _Images(NamedTuple):
    """An image, C x H x W, its label, 1 x H x W, and the path to name in errors."""

    path: str
    image: Pixels
    label: Pixels


class ImagePairs(BatchLayer):
    """Base of layers that read such lists; a subclass sets the attributes and makes the batches."""

    color: bool
    size: Size | None  # to which images and labels are resized
    rounds: Rounds[_Line]
    channels: int
    top_size: Size

    def pair_of(self, height: int, width: int, what: str) -> Size | None:
        """`height` and `width`, or None if both are 0; refuse one alone."""
        if bool(height) != bool(width):
            raise self.error(f"{what}_height and {what}_width must be set together.")
        return (height, width) if height else None

    def read_label(self, path: str) -> Pixels:
        """Read a label image, 1 x H x W; refuse colours, of which Caffe would take the grey."""
        try:
            label = datum_to_array(encoded_datum(read_bytes(path)))
        except (OSError, InputError) as error:
            raise self.error(f"cannot read the label {path}: {error}") from error
        if len(label) != 1:
            raise self.error(
                f"the label {path} has colours or a palette, whose brightness Caffe takes for the "
                "class; save class indices as a grey image: "
                "Image.fromarray(numpy.array(Image.open(path))) where it has a palette."
            )
        return label

    def load(self, line: _Line) -> _Images:
        """Read a pair, at the layer's size if it has one; refuse a label of another size."""
        path, target = line
        image = read_image(self, path, self.color)
        label = None if isinstance(target, int) else self.read_label(target)
        if self.size:
            image = resized(image, self.size)
            label = None if label is None else nearest(label, self.size)
        if label is None:
            label = np.full((1, *image.shape[1:]), target, np.uint8)
        if image.shape[1:] != label.shape[1:]:
            raise self.error(
                f"the image {path} has {image.shape[1]} x {image.shape[2]} pixels, but its "
                f"label {target} has {label.shape[1]} x {label.shape[2]}."
            )
        return _Images(path, image, label)

    def join(
        self, parts: Sequence[tuple[str, NDArray[np.float32], NDArray[np.float32]]]
    ) -> list[NDArray[np.float32]]:
        """Join (path, image, label) to two arrays; refuse images of different shapes."""
        first = parts[0][1].shape
        for path, image, _ in parts:
            if image.shape != first:
                raise self.error(
                    f"{path} has the shape {image.shape}, but its batch began with {first}: use "
                    "batch_size 1, one size for all images, or a crop."
                )
        return [np.stack(arrays) for arrays in zip(*((image, label) for _, image, label in parts))]

    def skip(self, batches: int) -> None:
        self.rounds.position += self.entries_of(batches)


@register("DenseImageData")
class DenseImageData(ImagePairs):
    """SegNet's: a list of lines `image label`.

    Tops: N x C x H x W images, BGR or grey, and N x 1 x H x W labels. Both are resized to
    `new_height` x `new_width` (labels to the nearest pixel), mirrored at random and cropped at
    random, in both phases, to `crop_height` x `crop_width` where those are set. `transform_param`
    changes the images' values only.
    """

    tops = (2, 2)

    def setup(self, shapes: Shapes) -> list[Param]:
        p, transform = self.proto.dense_image_data_param, self.proto.transform_param
        self.batch_size, self.color = self.require_batch_size(p.batch_size), p.is_color
        self.size = self.pair_of(p.new_height, p.new_width, "new")
        self.crop = self.pair_of(p.crop_height, p.crop_width, "crop")
        for field in ("crop_size", "mirror"):
            if getattr(transform, field):
                instead = "mirror" if field == "mirror" else "crop_height and crop_width"
                raise self.error(
                    f"its transform_param has a {field}, which would change the image but not its "
                    f"label; set {instead} in dense_image_data_param."
                )
        self.seed()
        where = f'layer "{self.name}"'
        self.transform = DataTransform(transform, self.phase, self.draws(SETUP), where)
        lines = [self._paths(line) for line in read_lines(self, p.source)]
        self.rounds = Rounds(self, lines, shuffle=p.shuffle, rand_skip=p.rand_skip)
        image = self.load(lines[0]).image
        self.channels, self.top_size = len(image), self.crop or image.shape[1:]
        return []

    def _paths(self, line: str) -> _Line:
        """Split a line of the list, as Caffe at white space, into the paths of image and label."""
        names = line.split()
        if len(names) != 2:
            raise self.error(
                f'its source has the line "{line}"; expected two paths without blanks, an image '
                "and its label."
            )
        root = self.proto.dense_image_data_param.root_folder
        return listed_path(root, names[0]), listed_path(root, names[1])

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return [(self.batch_size, count, *self.top_size) for count in (self.channels, 1)]

    def next_batch(self) -> list[NDArray[np.float32]]:
        mirror, parts = self.proto.dense_image_data_param.mirror, []
        for _ in range(self.batch_size):
            path, image, label = self.load(self.own_turn(self.rounds.next))
            random = self.entry_draws()
            if mirror and random.integers(2):
                image, label = image[:, :, ::-1], label[:, :, ::-1]
            if self.crop:
                room = [size - crop for size, crop in zip(image.shape[1:], self.crop)]
                if min(room) < 0:
                    raise self.error(
                        f"{path} has {image.shape[1]} x {image.shape[2]} pixels, fewer than "
                        f"crop_height x crop_width, {self.crop[0]} x {self.crop[1]}."
                    )
                window = _window([int(random.integers(space + 1)) for space in room], self.crop)
                image, label = image[window], label[window]
            parts.append((path, self.transform(image), label.astype(np.float32)))
        return self.join(parts)


@register("ImageSegData")
class ImageSegData(ImagePairs):
    """DeepLab's and PSPNet's: a list of lines `image label`.

    Tops: N x C x H x W images, N x 1 x H x W labels and, where there is a third, the height and
    width of each image, at most those of the crop, N x 1 x 1 x 2. `label_type` says what a label
    is: an image (PIXEL), a class for all its pixels (IMAGE), or missing (NONE), in which case all
    are `ignore_label`. Both are resized by one of `scale_factors`, chosen at random (labels to the
    nearest pixel), continued below and to the right to the size of the crop by mean values and
    `ignore_label`, cropped (at random in TRAIN) and mirrored at random.
    """

    tops = (2, 3)

    def setup(self, shapes: Shapes) -> list[Param]:
        p, transform = self.proto.image_data_param, self.proto.transform_param
        self.batch_size, self.color = self.require_batch_size(p.batch_size), p.is_color
        self.size = self.pair_of(p.new_height, p.new_width, "new")
        if transform.mean_file:
            raise self.error("takes no mean_file; set mean_value in transform_param.")
        if self.size and p.label_type == pb.ImageDataParameter.PIXEL:
            raise self.error(
                "new_height and new_width would blend the classes of its label images, as in its "
                "forks; resize the files, labels to the nearest pixel, and remove both."
            )
        if transform.crop_size and (transform.crop_height or transform.crop_width):
            raise self.error("takes crop_size, or crop_height and crop_width, not both.")
        square = (transform.crop_size, transform.crop_size) if transform.crop_size else None
        self.crop = square or self.pair_of(transform.crop_height, transform.crop_width, "crop")
        self.factors = list(transform.scale_factors) or [1.0]
        if min(self.factors) <= 0:
            raise self.error(f"scale_factors are {self.factors}; expected numbers above 0.")
        self.seed()
        lines = [self._line(line) for line in read_lines(self, p.source)]
        self.rounds = Rounds(self, lines, shuffle=p.shuffle, rand_skip=p.rand_skip)
        image = self.load(lines[0]).image
        self.channels, self.top_size = len(image), self.crop or image.shape[1:]
        means = list(transform.mean_value)
        if len(means) not in (0, 1, self.channels):
            raise self.error(
                f"has {len(means)} mean_value, but its images have {self.channels} channels; give "
                "one in all or one per channel."
            )
        means = means or [0.0]
        self.means = np.resize(np.array(means, np.float32), self.channels)[:, None, None]
        return []

    def _line(self, line: str) -> _Line:
        """Split a line of the list at white space; what follows the label is not read."""
        p, (name, *rest) = self.proto.image_data_param, line.split()
        path = listed_path(p.root_folder, name)
        if p.label_type == pb.ImageDataParameter.NONE:
            return path, p.ignore_label
        try:
            if p.label_type == pb.ImageDataParameter.PIXEL:
                return path, listed_path(p.root_folder, rest[0])
            return path, int(rest[0])
        except (IndexError, ValueError):
            pixel = p.label_type == pb.ImageDataParameter.PIXEL
            wanted = "the path of its label" if pixel else "its class, a number"
            more = "" if pixel else " (label_type: PIXEL if labels are images)"
            raise self.error(
                f'its source has the line "{line}"; expected an image and {wanted}{more}.'
            ) from None

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        shapes = [(self.batch_size, count, *self.top_size) for count in (self.channels, 1)]
        return [*shapes, (self.batch_size, 1, 1, 2)][: len(self.proto.top)]

    def next_batch(self) -> list[NDArray[np.float32]]:
        parts, sizes = [], []
        for _ in range(self.batch_size):
            loaded = self.load(self.own_turn(self.rounds.next))
            limits = self.crop or loaded.image.shape[1:]
            sizes.append([list(map(min, limits, loaded.image.shape[1:]))])
            parts.append((loaded.path, *self._transformed(loaded, self.entry_draws())))
        tops = [*self.join(parts), np.array(sizes, np.float32)[:, None]]
        return tops[: len(self.proto.top)]

    def _transformed(
        self, loaded: _Images, random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Resize, continue, crop and mirror a pair; returns its values as float32."""
        transform, pixels, labels = self.proto.transform_param, loaded.image, loaded.label
        factor = self.factors[int(random.integers(len(self.factors)))]
        if factor != 1:
            height, width = (max(1, int(size * factor)) for size in pixels.shape[1:])
            pixels, labels = resized(pixels, (height, width)), nearest(labels, (height, width))
        image, label = pixels - self.means, labels.astype(np.float32)
        if self.crop:
            missing = [max(0, crop - size) for crop, size in zip(self.crop, image.shape[1:])]
            border = [(0, 0), (0, missing[0]), (0, missing[1])]
            image = np.pad(image, border)  # by zeros, which is the mean
            ignored = self.proto.image_data_param.ignore_label
            label = np.pad(label, border, constant_values=np.float32(ignored))
            room = [size - crop for size, crop in zip(image.shape[1:], self.crop)]
            starts = [space // 2 for space in room]
            if self.phase == pb.TRAIN:
                starts = [int(random.integers(space + 1)) for space in room]
            window = _window(starts, self.crop)
            image, label = image[window], label[window]
        if transform.mirror and random.integers(2):
            image, label = image[:, :, ::-1], label[:, :, ::-1]
        return image * np.float32(transform.scale), label


def _window(starts: Sequence[int], sizes: Sequence[int]) -> tuple[slice, slice, slice]:
    rows, columns = (slice(start, start + size) for start, size in zip(starts, sizes))
    return slice(None), rows, columns


def resized(pixels: Pixels, size: Size) -> Pixels:
    """Resize C x H x W pixels bilinearly."""
    return resize_pixels(pixels.transpose(1, 2, 0), size).transpose(2, 0, 1)


def nearest(pixels: Pixels, size: Size) -> Pixels:
    """Resize C x H x W pixels to the nearest ones, as OpenCV rounds: down, from each corner."""
    rows, columns = (
        np.minimum(np.arange(new) * old // new, old - 1) for old, new in zip(pixels.shape[1:], size)
    )
    return pixels[:, rows[:, None], columns]
