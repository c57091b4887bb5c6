"""Arguments that name a network, its weights, and how images become its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from fcnkit import engine
from fcnkit.datasets import default_palette
from fcnkit.images import ImageForm, Preprocessor, parse_mean
from fcnkit.inference import TrainedNet, is_onnx
from fcnkit.runtimes import RUNTIMES
from fcnkit.zoo import network_file, networks

from . import basics, classes, devices, evaluation, pixels
from .basics import positive

if TYPE_CHECKING:
    import argparse

    from fcnkit.inference import Segmenter

    from .basics import CommandParser, Group

WEIGHTS = ".caffemodel or .caffemodel.h5"
# How the names of DIGITS' downloads end
DOWNLOADS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar", ".zip")


def add_net(
    group: Group, names: str, what: str = "network:", more: str = "", **settings: Any
) -> None:
    """Declare an argument that names a network, for `net_path`, between `what` and `more`."""
    text = f"{what} a prototxt, a folder with one, or the name of a network of the zoo{more}"
    action = group.option(names, text, **{"metavar": "NET", **settings})
    action.completer = _complete_net  # type: ignore[attr-defined]  # where argcomplete looks


def _complete_net(prefix: str, **_: Any) -> list[str]:
    """Return the networks that a shell offers after `prefix`: names and files."""
    from argcomplete.completers import FilesCompleter

    return [*networks(), *FilesCompleter()(prefix)]


def net_path(text: str) -> str:
    """Return the path of the deploy net that an argument names."""
    return network_file(text, "deploy.prototxt")[0]


def add_network(parser: CommandParser, *, on_devices: bool = False) -> None:
    """Declare what names a trained network, for `trained_net` and `segmenter`.

    `on_devices`: it may run on several devices at once.
    """
    group = parser.network
    add_net(group, "--net", more="; or an ONNX model")
    group.option("--weights", f"its weights: {WEIGHTS}", "FILE")
    add_models(group)
    add_preprocessing(parser, "the run's, otherwise none", "the run's, otherwise 1")
    add_output_blob(parser)
    group.option(
        "--scale-to",
        "scale larger images down to this longer side for the net; results keep the image's size",
        "PIXELS",
        positive(int),
        otherwise="no limit",
    )
    pixels.add_depth(group, "the run's, otherwise uint8")
    pixels.add_white(group, "the run's; without one, such images are refused")
    basics.add_fork(parser)
    if on_devices:
        devices.add_devices(parser)
        basics.add_allow_python(parser)
    else:
        basics.add_engine(parser)
    add_runtime(parser)
    classes.add_classes(
        parser,
        "the run's, otherwise VOC's for 21 classes",
        "the run's, otherwise VOC's, or distinct colours past 21 classes",
    )


def add_models(group: Group, more: str = "") -> None:
    """Declare what names a model with all that belongs to it, for `given_model`.

    `more` ends the help of `--run`.
    """
    group.option(
        "--run",
        "an output of train instead: its net, weights, mean, scale, class names and palette, "
        f"unless other options set them{more}",
        "FOLDER",
        dest="run_folder",
    )
    group.option(
        "--snapshot",
        "which weights of --run: best (by the mean IoU of its validation images), newest, or the "
        "iteration of a snapshot",
        "best|newest|N",
        otherwise="newest",
    )
    add_digits_model(group)


def add_digits_model(group: Group) -> None:
    """Declare `--digits-model`."""
    group.option(
        "--digits-model",
        "a DIGITS model instead: a download (.tar.gz, .tar.bz2, .tar, .zip) or a job folder",
        "PATH",
    )


def add_preprocessing(parser: CommandParser, mean: str = "none", scale: str = "1") -> None:
    """Declare `--mean`, `--input-scale` and `--channel-order`, for `preprocessor`."""
    add_mean(parser, mean, scale)
    parser.network.option(
        "--channel-order --channels",
        "order of three channels in the net's input",
        dest="channels",
        default="BGR",
        choices=("BGR", "RGB"),
    )


def add_mean(parser: CommandParser, mean: str, scale: str) -> None:
    """Declare `--mean` and `--input-scale`, whose defaults `mean` and `scale` describe."""
    parser.network.option(
        "--mean",
        "mean to subtract from the input: B,G,R or one value per channel, mean.binaryproto or "
        "mean.txt",
        "MEAN",
        otherwise=mean,
    )
    add_input_scale(parser, scale)


def add_input_scale(parser: CommandParser, otherwise: str) -> None:
    """Declare `--input-scale`, whose default `otherwise` describes."""
    parser.network.option(
        "--input-scale",
        "factor to multiply the input by after the mean is subtracted",
        "FACTOR",
        positive(float),
        otherwise=otherwise,
    )


def add_output_blob(parser: CommandParser) -> None:
    """Declare `--output-blob`."""
    parser.network.option(
        "--output-blob", "blob with the class scores", "BLOB", otherwise="score, or the only output"
    )


def add_runtime(parser: CommandParser) -> None:
    """Declare `--runtime`."""
    parser.engine.option(
        "--runtime",
        "what computes the scores: torch is the engine; another runtime is left where its scores "
        "for the first image are not the engine's",
        default="auto",
        choices=RUNTIMES,
    )


def add_phase(parser: CommandParser, choices: tuple[str, ...], default: str) -> None:
    """Declare `--phase`."""
    parser.network.option("--phase", "phase of the net", default=default, choices=choices)


def add_stage(parser: CommandParser, default: str) -> None:
    """Declare `--stage`."""
    parser.network.option(
        "--stage",
        "stage of an all-in-one net; may be repeated",
        "NAME",
        otherwise=default,
        action="append",
    )


def preprocessor(args: argparse.Namespace) -> Preprocessor:
    """Return what the arguments of `add_preprocessing` say."""
    mean = parse_mean(args.mean) if args.mean else None
    return Preprocessor(mean, args.input_scale or 1.0, args.channels)


def image_form(args: argparse.Namespace, given: ImageForm) -> ImageForm:
    """Return `given`, the form of a run's images, with what `--depth` and `--white` change."""
    white = args.white or (None if args.depth else given.white)
    depth = args.depth or ("uint8" if args.white else given.depth)
    if white is not None and depth not in (None, "uint8"):
        raise InputError(f"--white makes images of 8 bits, --depth asks for {depth}: pass one")
    return ImageForm(given.channels, depth, white)


def has_network(args: argparse.Namespace) -> bool:
    """Return whether the arguments of `add_network` name a network."""
    return bool(args.net or args.run_folder or args.digits_model)


def given_model(args: argparse.Namespace) -> TrainedNet | None:
    """Return what the arguments of `add_models` name; None where they name nothing.

    A download of DIGITS is unpacked for it, and stays unpacked as long as the result lives.
    """
    if args.run_folder and args.digits_model:
        raise InputError("--run and --digits-model name two networks: pass one of them")
    if args.snapshot and (args.weights or not args.run_folder):
        raise InputError("--snapshot chooses weights of --run: pass it with --run, not --weights")
    # Rooms that most calls do not need take as long to import as a small net takes to run.
    if args.run_folder:
        from fcnkit.training import read_run

        return read_run(args.run_folder, args.snapshot or "newest")
    return digits_model(args.digits_model) if args.digits_model else None


def digits_model(path: str) -> TrainedNet:
    """Open the DIGITS model at `path`, a download or a job folder."""
    from fcnkit.digits import open_model

    return open_model(path).run


def trained_net(args: argparse.Namespace) -> TrainedNet:
    """Return the network that the arguments of `add_network` describe, its palette included.

    It keeps what `given_model` has unpacked for it.
    """
    run = given_model(args)
    if args.net:
        net: str | None = args.net if is_onnx(args.net) else net_path(args.net)
    else:
        net = run.net if run else None
    weights = args.weights or (run.weights if run else None)
    if net and is_onnx(net):
        if weights:
            raise InputError(f"{net}: an ONNX model holds its weights: leave out {weights}")
        from fcnkit.export import read_onnx_model

        weights, (run, order) = net, read_onnx_model(net)
        if order not in (None, args.channels):
            raise InputError(f"{net}: was made for {order} input: pass --channel-order {order}")
    if not net or not weights:
        raise InputError(
            "no network given: pass --net and --weights, --net MODEL.onnx, --run FOLDER (an output "
            "of train), or --digits-model PATH"
        )
    given = TrainedNet(net, weights) if run is None else run
    names, palette = classes.names_and_palette(args)
    chosen = names or given.names
    if palette is None:
        palette = default_palette(chosen) if given.palette is None else given.palette
    return TrainedNet(
        net,
        weights,
        parse_mean(args.mean) if args.mean else given.mean,
        args.input_scale or given.scale,
        chosen,
        palette,
        given.ignore,
        image_form(args, given.form),
        getattr(args, "bands", None) or given.bands,
        given.owner,
    )


def segmenter(args: argparse.Namespace, trained: TrainedNet) -> Segmenter:
    """Open `trained` as the arguments of `add_network` say, on the first of several devices."""
    precision = getattr(args, "precision", None)
    if precision not in (None, "float32") and is_onnx(trained.net):
        raise InputError(
            f"--precision {precision} is the engine's, but {trained.net} runs in ONNX Runtime: "
            "leave it out, and choose the model's precision when it is exported"
        )
    if precision and not is_onnx(trained.net):
        engine.use_precision(precision)
    gpus = devices.devices(args).gpus if hasattr(args, "processes") else ()
    gpu = gpus[0] if gpus else args.gpu
    return trained.segmenter(**segmenter_settings(args), gpu=gpu)


def segmenter_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `TrainedNet.segmenter`, but for the GPU."""
    return {
        "channels": args.channels,
        "output_blob": args.output_blob,
        "scale_to": args.scale_to,
        "allow_python": args.allow_python,
        "runtime": _runtime(args),
        "evaluation": evaluation.evaluation(args),
    }


def _runtime(args: argparse.Namespace) -> str:
    """Return the runtime: the engine for a lower precision, which it alone has."""
    runtime: str = args.runtime
    if getattr(args, "precision", None) in (None, "float32"):
        return runtime
    if runtime not in ("auto", "torch"):
        raise InputError(
            f"--precision {args.precision} is the engine's: pass no --runtime, or --runtime torch"
        )
    return "torch"


def unmatched_warning(segmenter: Segmenter, weights: str) -> str | None:
    """Return the warning about layers that found no weights, or None."""
    if not segmenter.unmatched:
        return None
    return (
        f"{weights} has no weights for {', '.join(segmenter.unmatched)}: these layers keep the "
        "values of their fillers"
    )
