"""Reports the properties of the GPUs, as `caffe device_query` does."""

from __future__ import annotations

from torchcaffe import core, log

from .engine_flags import gpu_numbers
from .flags import Flag, Flags
from .main import expect_arguments

USAGE = "[-gpu NUMBER[,NUMBER...] | -gpu all]"
FLAGS = [Flag("gpu", "", "numbers of GPUs, separated by commas (or: all)")]

# what Caffe calls it -> the attribute of PyTorch's device properties
_PROPERTIES = {
    "Major revision number:": "major",
    "Minor revision number:": "minor",
    "Name:": "name",
    "Total global memory:": "total_memory",
    "Total shared memory per block:": "shared_memory_per_block",
    "Total registers per multiprocessor:": "regs_per_multiprocessor",
    "Warp size:": "warp_size",
    "Maximum threads per multiprocessor:": "max_threads_per_multi_processor",
    "Number of multiprocessors:": "multi_processor_count",
}


def run(flags: Flags, arguments: list[str]) -> None:
    """Log the properties of every GPU that `-gpu` names."""
    expect_arguments(arguments, f"torchcaffe device_query {USAGE}", 0)
    log.info("caffe.cpp:138", f"Querying GPUs {flags.gpu}")
    for number in gpu_numbers(flags.gpu):
        properties = core.gpus().get_device_properties(number)
        log.info("common.cpp:180", f"{'Device id:':31}{number}")
        for words, name in _PROPERTIES.items():
            if hasattr(properties, name):  # releases of PyTorch differ in what they report
                log.info("common.cpp:180", f"{words:31}{getattr(properties, name)}")
