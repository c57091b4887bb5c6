"""A `Writer` that rewrites its graph once it is complete."""

from __future__ import annotations

from ..onnx_writer import Writer
from .narrowing import narrow_frames
from .upsampling import separate_classes


class RewritingWriter(Writer):
    """A `Writer` whose finished graph computes the same with less work."""

    def finish(self) -> None:
        super().finish()
        separate_classes(self)
        narrow_frames(self)
        self.drop_unused()
