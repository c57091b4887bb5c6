#!/usr/bin/env python3
"""Images per second of training steps in several processes of one thread, beside one such process.

    benchmarks/processes.py [--network fcn_resnet_50] [--size 240] [--batch 1] [--processes 2]

Every process has a batch of the same size. One and several take turns, so that a machine that is
busy with other things slows both; the best of each counts.
"""

import argparse
import os
import time

import numpy as np
from training_step import training_net

from caffeformat import pb
from torchcaffe.core import set_sync_batch_norm
from torchcaffe.solvers import NCCL, SGDSolver, join, run_ranks

ROUNDS, STEPS = 3, 3


def work(line, network, batch, size, sync_batch_norm):
    """Train in one of the processes; the root returns its images per second, the best round's."""
    import torch

    torch.set_num_threads(1)
    joined = join()
    set_sync_batch_norm(sync_batch_norm)
    recipe = pb.SolverParameter(base_lr=1e-3, lr_policy="fixed", momentum=0.9, random_seed=1)
    recipe.train_net_param.CopyFrom(training_net(network, batch, size))
    solver = SGDSolver(param=recipe)
    if joined.count > 1:
        NCCL(solver, joined=joined).connect()
    blobs, random = solver.net.blobs, np.random.RandomState(joined.rank)
    blobs["data"].data[...] = random.uniform(-120, 130, blobs["data"].shape)
    blobs["label"].data[...] = random.randint(0, 21, blobs["label"].shape)
    solver.step(1)
    begun = time.perf_counter()
    solver.step(STEPS)
    seconds = time.perf_counter() - begun
    joined.close()
    return STEPS * batch * joined.count / seconds


def main():
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", default="fcn_resnet_50")
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sync-batch-norm", action="store_true")
    args = parser.parse_args()
    settings = args.network, args.batch, args.size, args.sync_batch_norm
    best = {1: 0.0, args.processes: 0.0}
    for _ in range(ROUNDS):
        for count in best:
            best[count] = max(best[count], run_ranks(work, count, settings))
            print(f"{count} process(es): {best[count]:.3f} images/s", flush=True)
    print(f"ratio {best[args.processes] / best[1]:.2f}")


if __name__ == "__main__":
    import processes  # as the processes that are started do, to find `work`

    here = os.path.dirname(os.path.abspath(__file__))
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    processes.main()
