"""Net surgery: classifiers into FCNs, weights transplanted, edited and folded."""

from .automatic.fcn import fcn_from_classifier, name_fillers
from .automatic.folder import surgery_text, write_files
from .automatic.inputs import Images, images_of
from .convolutionalize import convolutionalize
from .edits import grow_outputs, rename, to_convolution, to_inner_product, widen_inputs
from .fold import fold_batch_norm
from .transplant import Transplant, check_fit, name_map, transplant
from .unpadded import without_padding

__all__ = [
    "Images",
    "Transplant",
    "check_fit",
    "convolutionalize",
    "fcn_from_classifier",
    "fold_batch_norm",
    "grow_outputs",
    "images_of",
    "name_fillers",
    "name_map",
    "rename",
    "surgery_text",
    "to_convolution",
    "to_inner_product",
    "transplant",
    "widen_inputs",
    "without_padding",
    "write_files",
]
