"""The recurrent layers RNN, LSTM and LSTMUnit (Donahue et al. 2015)."""

from __future__ import annotations

import math

import torch

from .base import Layer, Param, Shapes, Tensors, register


class _Recurrent(Layer):
    """Base of RNN and LSTM: T x N x ... inputs, T x N continuation marks, a state.

    Bottoms: the sequence x, the marks (0 where a sequence begins), optionally a static input
    N x ..., and with `expose_hidden` the initial states. Tops: the outputs T x N x num_output, and
    with `expose_hidden` the final states; no gradient flows through states. Without it, the state
    at the end of one pass is where the next one starts.
    """

    bottoms = (2, None)
    tops = (1, None)
    states: int = 1
    gates: int = 1
    label_bottoms = (1,)

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.recurrent_param
        if p.num_output < 1:
            raise self.error(f"num_output is {p.num_output}; expected 1 or more.")
        if p.debug_info:
            raise self.error("debug_info of a recurrent layer's inner net is not available.")
        self.outputs, self.exposed = p.num_output, p.expose_hidden
        given = self.states if self.exposed else 0
        if len(shapes) not in (2 + given, 3 + given):
            raise self.error(
                f"needs x, cont, optionally a static input, and {given} states; found "
                f"{len(shapes)} bottoms."
            )
        if len(self.proto.top) != 1 + given:
            raise self.error(f"needs {1 + given} tops; found {len(self.proto.top)}.")
        self.static = len(shapes) == 3 + given
        self.state: list[torch.Tensor] | None = None
        self.is_repeatable = self.exposed
        rows = self.gates * self.outputs
        params = self.inner_product(math.prod(shapes[0][2:]), rows)
        if self.static:
            params += self.inner_product(math.prod(shapes[2][1:]), rows, bias=False)
        params += self.inner_product(self.outputs, rows, bias=False)
        return params + self.output_params()

    def output_params(self) -> list[Param]:
        """Declare the parameters between the state and the output, if any."""
        return []

    def unroll(
        self, inputs: Tensors, marks: Tensors, state: list[torch.Tensor], weights: Tensors
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Compute the T outputs, each N x num_output, and the final state.

        `inputs` are what x and the static input contribute to the gates in each of T steps, N x
        rows; `marks` are N each, and `weights` the parameters for states and outputs.
        """
        raise NotImplementedError

    def inner_product(self, inputs: int, outputs: int, bias: bool = True) -> list[Param]:
        """Declare the parameters of one product within the layer."""
        p = self.proto.recurrent_param
        weight = Param((outputs, inputs), p.weight_filler)
        return [weight, Param((outputs,), p.bias_filler)] if bias else [weight]

    def check(self, shapes: Shapes) -> None:
        x, marks = (tuple(shape) for shape in shapes[:2])
        if len(x) < 3 or marks != x[:2]:
            raise self.error(
                f"needs x of shape T x N x ... and cont of shape T x N; found {x} and {marks}."
            )
        if self.static and shapes[2][0] != x[1]:
            raise self.error(
                f"its static input has shape {tuple(shapes[2])}, but x holds N = {x[1]} sequences."
            )
        for shape in shapes[2 + self.static :]:
            if tuple(shape) != (1, x[1], self.outputs):
                raise self.error(
                    f"its states must have shape {(1, x[1], self.outputs)}; found {tuple(shape)}."
                )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x, marks = bottoms[:2]
        if self.exposed:
            state = [bottom[0].detach() for bottom in bottoms[2 + self.static :]]
        elif self.state is not None and self.state[0].shape[0] == x.shape[1]:
            state = self.state
        else:
            state = [x.new_zeros(x.shape[1], self.outputs)] * self.states
        w_x, bias, *weights = params
        inputs = x.flatten(2) @ w_x.t() + bias
        if self.static:
            inputs = inputs + bottoms[2].flatten(1) @ weights.pop(0).t()
        outputs, state = self.unroll(list(inputs), list(marks), state, weights)
        self.state = [value.detach() for value in state]
        top = torch.stack(outputs)
        # As in Caffe, exposed states carry no gradient, whether initial or final.
        return [top, *(value[None] for value in self.state)] if self.exposed else [top]


@register("RNN")
class RNN(_Recurrent):
    """h = tanh(W_hh h + W_xh x + b_h [+ W_sh static]), o = tanh(W_ho h + b_o).

    Parameters: W_xh, b_h, [W_sh,] W_hh, W_ho, b_o.
    """

    def output_params(self) -> list[Param]:
        return self.inner_product(self.outputs, self.outputs)

    def unroll(
        self, inputs: Tensors, marks: Tensors, state: list[torch.Tensor], weights: Tensors
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        w_hh, w_ho, b_o = weights
        (h,) = state
        outputs = []
        for step, mark in zip(inputs, marks):
            h = torch.tanh((mark[:, None] * h) @ w_hh.t() + step)
            outputs.append(torch.tanh(h @ w_ho.t() + b_o))
        return outputs, [h]


@register("LSTM")
class LSTM(_Recurrent):
    """Long short-term memory, with gates in the order input, forget, output, candidate.

    Parameters: W_xc, b_c, [W_xc static,] W_hc, each with 4 num_output rows.
    """

    states = 2
    gates = 4

    def unroll(
        self, inputs: Tensors, marks: Tensors, state: list[torch.Tensor], weights: Tensors
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        (w_hc,) = weights
        h, c = state
        outputs = []
        for step, mark in zip(inputs, marks):
            mark = mark[:, None]
            c, h = lstm_unit(c, (mark * h) @ w_hc.t() + step, mark)
            outputs.append(h)
        return outputs, [h, c]


def lstm_unit(
    c: torch.Tensor, gates: torch.Tensor, mark: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take one step of an LSTM: from N x 4D gate inputs to (new cell state, output), both N x D."""
    i, f, o, g = gates.chunk(4, -1)
    c = mark * torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return c, torch.sigmoid(o) * torch.tanh(c)


@register("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM. Bottoms: cell state 1 x N x D, gate inputs 1 x N x 4D, marks 1 x N.

    Tops: the new cell state and the output, both 1 x N x D.
    """

    bottoms = (3, 3)
    tops = (2, 2)
    label_bottoms = (2,)

    def check(self, shapes: Shapes) -> None:
        state, gates, marks = (tuple(shape) for shape in shapes)
        if (
            len(state) != 3
            or state[0] != 1
            or gates != (1, state[1], 4 * state[2])
            or marks != (1, state[1])
        ):
            raise self.error(
                "needs a state 1 x N x D, gate inputs 1 x N x 4D and marks 1 x N; found shapes "
                f"{state}, {gates} and {marks}."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        state, gates, marks = bottoms
        return lstm_unit(state, gates, marks[..., None])
