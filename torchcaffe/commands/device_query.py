"""Says what is known of the GPUs, as `caffe device_query` does."""

from .. import device, log
from . import expect_arguments
from .engine_flags import GPU, gpu_numbers

USAGE = "[-gpu NUMBER[,NUMBER...] | -gpu all]"
FLAGS = [GPU]

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


def run(flags, arguments):
    """Log the properties of every GPU that `-gpu` names."""
    expect_arguments(arguments, f"torchcaffe device_query {USAGE}", 0)
    log.info("caffe.cpp:138", f"Querying GPUs {flags.gpu}")
    for number in gpu_numbers(flags.gpu):
        properties = device.gpus().get_device_properties(number)
        log.info("common.cpp:180", f"{'Device id:':31}{number}")
        for words, name in _PROPERTIES.items():
            if hasattr(properties, name):  # releases of PyTorch tell more or less
                log.info("common.cpp:180", f"{words:31}{getattr(properties, name)}")
