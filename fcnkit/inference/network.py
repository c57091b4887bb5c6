"""A net with its weights, run by the engine or by a runtime that was held against it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, infer_shapes
from fcnkit import engine, nets, runtimes
from fcnkit.engine import copy_weights, largest_absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from caffeformat import pb

# Of the largest score: sums are rounded in another order; anything wrong differs by far more.
TOLERANCE = 1e-4


class NetworkError(InputError):
    """A net or its weights cannot be used, whatever the image."""


class Network:
    """A deploy net and its weights: arrays of its input go in, arrays of scores come out.

    `message` is the net, filtered, `source` what errors call it, `weights` the path of a
    caffemodel. `runtime` is one of `fcnkit.runtimes.RUNTIMES`. With another one than the engine,
    the first array is computed by both; where they agree to `TOLERANCE`, the engine is closed, and
    the next process takes the runtime at once. Otherwise the engine stays, and `note` says why
    where that was not to be expected. `notes` holds it, and why fewer images went through the net
    at a time than were asked for.

    `net` is the engine's Net once it is open, `unmatched` the layers that found no weights in the
    caffemodel, `output_blob` the name of the scores, None until it is chosen.
    """

    def __init__(
        self,
        message: pb.NetParameter,
        source: str,
        weights: str,
        input_blob: str,
        output_blob: str | None = None,
        gpu: int | None = None,
        allow_python: Iterable[str] = (),
        runtime: str = "auto",
    ) -> None:
        self._message, self._source, self._weights = message, source, weights
        self._input, self._gpu, self._allow_python = input_blob, gpu, tuple(allow_python)
        self._is_named = runtime not in ("auto", "torch")
        self._runtime = runtimes.choose(runtime, gpu)
        self._pass: runtimes.Pass | None = None
        self.output_blob = output_blob
        self.net: engine.Net | None = None
        self.unmatched: list[str] = []
        self.note: str | None = None
        self.notes: list[str] = []
        self._is_said = False  # that fewer images go through the net at a time
        self._alone: str | None = None  # why one image at a time; "" for no reason, None: unknown
        self._key = ""
        self._checked: tuple[int, ...] = ()  # the last shape that memory was found to suffice for
        if self._runtime is not None:
            key_net, _ = nets.deploy_net(message, (64, 64))
            self._key = runtimes.key_of(key_net, weights, self._runtime, input_blob, output_blob)

    @property
    def runtime(self) -> str:
        """What computes now: "onnxruntime", "openvino", or the engine's name."""
        return self._runtime if self._pass is not None and self._runtime else engine.name()

    @property
    def returns_copies(self) -> bool:
        """Whether the scores of the last pass stay as they are in the next."""
        return self._pass is not None

    def forward(self, data: NDArray[np.float32], name: str = "image") -> NDArray[np.float32]:
        """Scores of `data`, N x C x H x W float32; the next pass may overwrite them.

        They are those of each image by itself, N at a time where the net allows that and memory
        suffices, otherwise fewer, and then `notes` say why. `name` is what errors call them.
        Raises `NetworkError` where the net cannot be made or the weights do not fit it, and
        `InputError` for inputs that do not fit in memory.
        """
        return self._one_pass(data, name) if len(data) == 1 else self._batch(data, name)

    def _batch(self, data: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The scores of several images."""
        if self._runtime is not None and self._pass is None and not self._open_known():
            self._one_pass(data[:1], name)  # one image decides what computes
        if self.output_blob is None:
            self.engine_net((1, *data.shape[1:]), name)
        if self._alone is None:
            assert self.output_blob is not None  # chosen by the runtime's check or the engine
            size = data.shape[2], data.shape[3]
            why = nets.mixes_images(self._message, self._input, [self.output_blob], size)
            self._alone = why or ""
        step = 1
        if self._alone:
            self._say_once(f"{self._source}: runs on one image at a time: {self._alone}")
        elif self._has_memory(data.shape, name):
            return self._one_pass(data, name)
        else:
            step = len(data) // 2
            self._say_once(
                f"{self._source}: {len(data)} images of {data.shape[3]}x{data.shape[2]} at a time "
                "do not fit in the free memory: it runs on fewer"
            )
        parts = [data[at : at + step] for at in range(0, len(data), step)]
        return np.concatenate([np.array(self.forward(part, name)) for part in parts])

    def _say_once(self, note: str) -> None:
        if not self._is_said:
            self._is_said = True
            self.notes.append(note)

    def _one_pass(self, data: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        if self._runtime is not None and self._pass is None and not self._open_known():
            return self._first(data, name)
        if self._pass is not None:
            if data.shape != self._checked:
                self._check_memory(data.shape, name)
                self._checked = data.shape
            try:
                return self._pass.run(data)
            except InputError as error:
                self._leave(str(error))
        return self._by_engine(data, name)

    def output_shape(self, shape: Sequence[int], name: str = "image") -> tuple[int, ...]:
        """The shape of the scores for an input of `shape`; computes none. Raises as `forward`."""
        if self._runtime is not None and self._pass is None:
            self._open_known()
        if self._pass is not None and self.output_blob is not None:
            return infer_shapes(self._message, {self._input: tuple(shape)})[self.output_blob]
        net, output = self.engine_net(shape, name)
        return tuple(net.blobs[output].shape)

    def engine_net(self, shape: Sequence[int], name: str = "image") -> tuple[engine.Net, str]:
        """(the engine's net for an input of `shape`, the scores' blob), opened if need be."""
        wanted, net = tuple(shape), self.net
        if net is None or tuple(net.blobs[self._input].shape) != wanted:
            self._check_memory(wanted, name)
            if net is None:
                try:
                    net = self._open(wanted)
                except InputError as error:
                    raise NetworkError(error.text, options=error.options) from error
            else:
                net.blobs[self._input].reshape(*wanted)
                net.reshape()
        assert self.output_blob is not None  # chosen when the net was opened
        return net, self.output_blob

    def _by_engine(self, data: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        net, output = self.engine_net(data.shape, name)
        net.blobs[self._input].data[...] = data
        return engine.forward(net, output)

    def _first(self, data: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The engine's scores, after which the runtime takes over if it computes the same."""
        expected = np.array(self._by_engine(data, name))
        assert self._runtime is not None and self.output_blob is not None
        try:
            opening = self._plan(self.output_blob)
        except InputError as error:
            self._leave(str(error), is_fault=False)
            return expected
        self.net = None  # the runtime needs the memory
        gc.collect()
        try:
            opened = opening()
            made = opened.run(data)
        except InputError as error:
            self._leave(str(error))
            return expected
        apart = relative_difference(expected, made)
        if apart <= TOLERANCE:
            self._pass = opened
            runtimes.Agreements().enter(self._key, self.output_blob)
        else:
            self._leave(
                f"its scores for {name} differ by {apart:.1e} of the largest score, more than "
                f"{TOLERANCE:g}"
            )
        return expected

    def _plan(self, output: str) -> Callable[[], runtimes.Pass]:
        if self.unmatched:
            raise InputError(f"the weights lack {', '.join(self.unmatched)}, which fillers fill")
        assert self._runtime is not None
        return runtimes.plan(self._runtime, self._message, self._weights, self._input, output)

    def _open_known(self) -> bool:
        """Decide without a check, where one was passed before: returns whether that is so."""
        output = runtimes.Agreements().find(self._key)
        if output is None:
            return False
        try:
            self._pass = self._plan(output)()
            self.output_blob = output
        except InputError as error:
            self._leave(str(error))
        return True

    def _leave(self, why: str, is_fault: bool = True) -> None:
        """Go on with the engine; that is no news where the net is one that `auto` need not take."""
        if is_fault or self._is_named:
            self.note = f"{self._source}: {self._runtime} is left for the engine: {why}"
            self.notes.append(self.note)
        self._runtime = self._pass = None

    def _check_memory(self, shape: Sequence[int], name: str) -> None:
        is_lean = self._pass is not None or "lean_forward" in engine.capabilities()
        engine.check_memory(self._message, {self._input: tuple(shape)}, name, is_lean)

    def _has_memory(self, shape: Sequence[int], name: str) -> bool:
        try:
            self._check_memory(shape, name)
        except InputError:
            return False
        return True

    def _open(self, shape: Sequence[int]) -> engine.Net:
        engine.use_device(self._gpu)
        message, _ = nets.deploy_net(self._message, shape[2:])
        net = engine.open_net(message, allow_python=self._allow_python, source=self._source)
        if shape[0] != 1:
            net.blobs[self._input].reshape(*shape)
            net.reshape()
        self.unmatched = copy_weights(net, self._weights)
        self.output_blob = self._output(net)
        self.net = net
        return net

    def _output(self, net: engine.Net) -> str:
        names = list(net.blobs)
        if self.output_blob is not None:
            if self.output_blob in names:
                return self.output_blob
            raise InputError(
                f"{self._source}: there is no blob {self.output_blob!r}; there are "
                f"{', '.join(names)}"
            )
        outputs = [name for name in net.outputs if name != self._input]
        if "score" in names:
            return "score"
        if len(outputs) == 1:
            return outputs[0]
        # Networks whose result goes into a Silence layer have no output.
        found = f"the outputs are {', '.join(outputs)}"
        if not outputs:
            found = f"every blob is used by a layer; the last ones are {', '.join(names[-5:])}"
        raise InputError(
            f"{self._source}: no blob is called score, and {found}: choose one with {{option}}",
            option="output_blob",
        )


def relative_difference(expected: NDArray[np.float32], made: NDArray[np.float32]) -> float:
    """The largest difference as a share of the largest |score|; infinite for other shapes."""
    if made.shape != expected.shape:
        return float("inf")
    largest = largest_absolute(expected, made)
    top = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
    return largest / top if top else largest
