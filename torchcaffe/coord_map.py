"""pycaffe's `coord_map`: Crop layers for a net_spec whose offset aligns their bottoms."""

from caffeformat import geometry, layers, to_proto


def crop(top_from, top_to):
    """A Crop of `top_from` to the size of `top_to`, with the offset at which their pixels align.

    Raises `InputError` where no whole number of pixels does.
    """
    trial = to_proto(layers.Crop(top_from, top_to, axis=2))
    offset = geometry.crop_offset(trial, trial.layer[-1].name)
    offsets = list(offset) if isinstance(offset, tuple) else [offset]
    return layers.Crop(top_from, top_to, axis=2, offset=offsets)
