"""FCN-32s, 16s and 8s trained one after another, resumable at any point."""

from __future__ import annotations

from .report import declines, format_stages
from .run import Stage, StageResult, train_stages

__all__ = [
    "Stage",
    "StageResult",
    "declines",
    "format_stages",
    "train_stages",
]
