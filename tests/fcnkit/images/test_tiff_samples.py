"""In a TIFF every sample is a channel with the value that is stored, whatever it is called."""

import numpy as np
import pytest
import tifffile

from fcnkit.images import open_picture, read_image


@pytest.mark.parametrize("kind", ["unspecified", "assocalpha", "unassalpha"])
@pytest.mark.parametrize("bands", [2, 4, 5])
def test_samples_are_kept_as_they_are(tmp_path, bands, kind):
    values = np.random.RandomState(bands).randint(0, 250, (7, 9, bands))
    path = tmp_path / "image.tif"
    for photometric, own in (("minisblack", 1), ("rgb", 3)):
        if bands <= own:
            continue
        extra = [kind] + ["unspecified"] * (bands - own - 1)
        for dtype in (np.uint8, np.uint16):
            for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}):
                tifffile.imwrite(
                    path,
                    values.astype(dtype),
                    photometric=photometric,
                    extrasamples=extra,
                    planarconfig="contig",
                    **options,
                )
                for source in (path, path.read_bytes()):
                    with open_picture(source, "image") as picture:
                        assert picture.channels == bands
                    found = read_image(source)
                    assert found.dtype == dtype and np.array_equal(found, values), photometric
