"""What can be worked out once about a net's passes: who needs a gradient, who may overwrite."""


def plan_gradients(steps, force_backward):
    """Settle `bottom_needs` and `needs_backward` of each Step, and who reaches a loss.

    A layer needs a backward pass where one of its bottoms or parameters needs a gradient and a
    loss depends on it. `propagate_down` overrules the former for a bottom; `force_backward`
    overrules all of it.
    """
    needy = set()
    for step in steps:
        wanted = list(step.layer.proto.propagate_down)
        if wanted and len(wanted) != len(step.bottoms):
            raise step.layer.error(
                f"needs no propagate_down, or one for each of its {len(step.bottoms)} bottoms; "
                f"found {len(wanted)}."
            )
        below = [name in needy for name in step.bottom_names]
        step.bottom_needs = wanted or below
        step.needs_backward = any(below) or any(step.param_needs)
        if step.needs_backward:
            needy.update(step.top_names)
        else:
            needy.difference_update(step.top_names)
    _drop_what_reaches_no_loss(steps)
    if force_backward:
        for step in steps:
            step.needs_backward = True
            step.param_needs = [True] * len(step.param_needs)
            step.bottom_needs = [
                needs or index not in step.layer.label_bottoms
                for index, needs in enumerate(step.bottom_needs)
            ]
    for step in steps:
        if not step.layer.differentiable:
            step.bottom_needs = [False] * len(step.bottoms)
            step.needs_backward = False


def _drop_what_reaches_no_loss(steps):
    """From the end to the start: no gradient where no loss depends on it, or nobody passes it on.

    Bottoms are consumed once each (Split layers see to that), so a name in these sets stands for
    the one blob between its maker and its user; in place, for the state after the maker.
    """
    under_loss, without_gradient = set(), set()
    for step in reversed(steps):
        contributes = any(
            weight or name in under_loss for weight, name in zip(step.loss_weights, step.top_names)
        )
        if step.top_names and all(name in without_gradient for name in step.top_names):
            step.needs_backward = False
            step.bottom_needs = [False] * len(step.bottoms)
        if not contributes:
            step.needs_backward = False
            step.bottom_needs = [False] * len(step.bottoms)
        for name, needs in zip(step.bottom_names, step.bottom_needs):
            if contributes:
                under_loss.add(name)
            if not needs:
                without_gradient.add(name)


def plan_overwriting(steps):
    """Let layers that work in place use the memory of their bottom, where its maker is done."""
    maker = {}
    for step in steps:
        if step.layer.can_overwrite and step.in_place == [True]:
            before = maker[step.bottom_names[0]]
            step.overwrites = before.layer.output_is_free
        maker.update(dict.fromkeys(step.top_names, step))
