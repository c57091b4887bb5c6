"""Say which offset each Crop layer of a network should have, and which it has."""

from caffeformat import InputError, filter_net, pb, read_net
from fcnkit.nets import check_crops, is_right

from .arguments import network


def add_arguments(parser):
    parser.add_argument("net", help="prototxt file, or the name of a network under prototxt/")
    parser.add_argument("--phase", choices=("TRAIN", "TEST"), default="TEST", help="(TEST)")
    parser.add_argument(
        "--stage", action="append", help="stages that hold (deploy); may be given several times"
    )


def run(args):
    path, _ = network.network_file(args.net, "deploy.prototxt")
    phase = pb.TRAIN if args.phase == "TRAIN" else pb.TEST
    net = filter_net(read_net(path), phase, stages=args.stage or ["deploy"])
    checks = check_crops(net)
    if not checks:
        print(f"{path}: has no Crop layers in phase {args.phase}")
        return
    width = max(len(check.layer) for check in checks)
    for check in checks:
        print(f"{check.layer:{width}}  has {_text(check.has)}{_verdict(check)}")
    wrong = sum(not is_right(check) for check in checks)
    if wrong:
        raise InputError(f"{path}: {wrong} of {len(checks)} crops are not as the geometry asks for")


def _verdict(check):
    if check.problem:
        return f"; the geometry does not tell: {check.problem}"
    return ", as it should" if is_right(check) else f", should have {_text(check.expected)}"


def _text(offsets):
    return " x ".join(map(str, offsets))
