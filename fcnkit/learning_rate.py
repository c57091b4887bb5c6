"""The learning rate of a step by Caffe's policies, for logs of engines that do not tell it."""

import math

from caffeformat import InputError


def learning_rate(solver, iteration):
    """The learning rate of step `iteration` (from 0) under a SolverParameter.

    The policies of `sgd_solver.cpp`: with b = base_lr, g = gamma, p = power and i = iteration,
    fixed: b; step: b g^floor(i / stepsize); exp: b g^i; inv: b (1 + g i)^-p; multistep: b g^(number
    of stepvalues reached); poly: b (1 - i / max_iter)^p; sigmoid: b / (1 + exp(-g (i - stepsize))).
    """
    policy, rate, gamma = solver.lr_policy, solver.base_lr, solver.gamma
    if policy == "fixed":
        return rate
    if policy == "step":
        return rate * gamma ** (iteration // solver.stepsize)
    if policy == "exp":
        return rate * gamma**iteration
    if policy == "inv":
        return rate * (1 + gamma * iteration) ** -solver.power
    if policy == "multistep":
        return rate * gamma ** sum(iteration >= value for value in solver.stepvalue)
    if policy == "poly":
        return rate * (1 - iteration / solver.max_iter) ** solver.power
    if policy == "sigmoid":
        return rate / (1 + math.exp(-gamma * (iteration - solver.stepsize)))
    raise InputError(
        f"lr_policy {policy!r}: Caffe has fixed, step, exp, inv, multistep, poly and sigmoid"
    )
