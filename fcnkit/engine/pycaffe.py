"""pycaffe's API as types: what this project uses of nets, blobs and solvers of either engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from caffeformat.messages import layer_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class Blob(Protocol):
    """A blob of either engine: live arrays of values and gradients."""

    @property
    def data(self) -> NDArray[np.float32]:
        """The values."""

    @property
    def diff(self) -> NDArray[np.float32]:
        """The gradients."""

    @property
    def shape(self) -> Sequence[int]:
        """The size of each axis."""

    def reshape(self, *shape: int) -> None:
        """Change the shape."""


class Layer(Protocol):
    """A layer of either engine."""

    @property
    def blobs(self) -> Sequence[Blob]:
        """Its parameters."""

    @property
    def type(self) -> str:
        """Its type, as a prototxt names it."""


class Net(Protocol):
    """A net of either engine, as pycaffe has it."""

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """The blobs by name, in the order of the layers that make them."""

    @property
    def params(self) -> Mapping[str, Sequence[Blob]]:
        """The parameters of each layer that has any."""

    @property
    def layers(self) -> Sequence[Layer]:
        """The layers, in order."""

    @property
    def _layer_names(self) -> Sequence[str]:
        """The names of `layers`."""

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the input blobs."""

    @property
    def outputs(self) -> Sequence[str]:
        """Names of the blobs that no layer reads."""

    def forward(self) -> Mapping[str, NDArray[np.float32]]:
        """Run all layers; the outputs' values."""

    def _forward(self, start: int, end: int) -> float:
        """Run the layers from one index to another; their loss."""

    def backward(self) -> Mapping[str, NDArray[np.float32]]:
        """Compute the gradients; those of the inputs."""

    def reshape(self) -> None:
        """Adapt all layers to the inputs' shapes."""

    def copy_from(self, path: str) -> None:
        """Copy the weights in a caffemodel by layer name."""

    def share_with(self, other: Net) -> None:
        """Use the weights of another net."""

    def save(self, path: str) -> None:
        """Write the weights as a caffemodel."""


class Solver(Protocol):
    """A solver of either engine, as pycaffe has it."""

    @property
    def iter(self) -> int:
        """The number of steps taken."""

    @property
    def net(self) -> Net:
        """The net in training."""

    @property
    def test_nets(self) -> Sequence[Net]:
        """The nets to test."""

    def step(self, count: int) -> None:
        """Take `count` steps."""

    def restore(self, path: str) -> None:
        """Go on from a solver state."""

    def snapshot(self) -> None:
        """Write weights and solver state."""


def layer_params(net: Net) -> dict[str, Sequence[Blob]]:
    """The parameters of each layer of `net` that has any, by name.

    Unlike `net.params`, which has the last of several layers of one name, this has all of them: the
    others under `caffeformat.messages.LayerKey`s (`conv#2`).
    """
    found = [
        (name, layer.blobs)
        for name, layer in zip(net._layer_names, net.layers)  # pycaffe has no other way
        if len(layer.blobs)
    ]
    return dict(zip(layer_keys(name for name, _ in found), (blobs for _, blobs in found)))
