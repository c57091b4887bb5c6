"""The programs of docs/moving_on.md, run as they stand there, paint the engine's mask."""

import http.server
import importlib.util
import json
import os
import re
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import REPO, TESTS

from caffeformat import read_net, write_caffemodel
from fcnkit import export
from fcnkit.images import Preprocessor
from fcnkit.inference import Segmenter
from fcnkit.nets import net_parameters
from fcnkit.zoo import path

pytest.importorskip("torchcaffe")
pytest.importorskip("onnx")

PAGE = (REPO / "docs" / "moving_on.md").read_text(encoding="utf-8")
DRIVER = TESTS / "digits_plugin" / "browser"
SIZE = (45, 70)


def program(heading, language):
    """The code block of `language` under a heading of the page."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S).group(1)
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)
    return block


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with model.onnx and photo.png; (the folder, the engine's mask of the photo)."""
    folder = tmp_path_factory.mktemp("place")
    net = read_net(path("fcn_shapes", "deploy.prototxt"))
    random = np.random.RandomState(0)
    weights = {
        layer.name: [random.standard_normal(each.shape).astype(np.float32) for each in parameters]
        for layer, parameters in net_parameters(net)
    }
    for blobs in weights.values():
        for blob in blobs:
            if blob.ndim > 1:
                blob *= np.float32(np.sqrt(2 / np.prod(blob.shape[1:])))
            else:
                blob[...] = np.abs(blob) + 0.5
    export.write_parameters(folder / "model.onnx", net, weights)
    weights_path = folder / "net.caffemodel"
    write_caffemodel(weights_path, weights, net)
    image = random.randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(image).save(folder / "photo.png")
    segmenter = Segmenter(
        path("fcn_shapes", "deploy.prototxt"),
        weights_path,
        Preprocessor([104, 117, 123]),
        runtime="torch",
    )
    scores = segmenter.scores(image, "photo")
    mask = scores.argmax(0)
    assert len(np.unique(mask)) > 1
    return folder, mask


def agree(found, mask):
    found = np.asarray(found)
    assert found.shape == mask.shape
    assert (found == mask).mean() >= 0.999  # a tie of two scores may fall either way


@pytest.mark.slow
@pytest.mark.parametrize(
    "heading, module",
    [("ONNX Runtime", "onnxruntime"), ("OpenCV 5", "cv2"), ("OpenVINO", "openvino")],
)
def test_a_program_in_python(place, monkeypatch, heading, module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make test-full installs it")
    folder, mask = place
    monkeypatch.chdir(folder)
    names = {}
    for block in (program("Reading the ONNX model", "python"), program(heading, "python")):
        exec(compile(block, "moving_on.md", "exec"), names)
    agree(names["mask"], mask)


def _headers():
    """The folder with onnxruntime_cxx_api.h, or None."""
    named = os.environ.get("ONNXRUNTIME_INCLUDE")
    folders = [named] if named else []
    folders += ["/usr/include/onnxruntime", "/usr/local/include/onnxruntime"]
    return next((f for f in folders if os.path.isfile(f"{f}/onnxruntime_cxx_api.h")), None)


@pytest.mark.slow
def test_the_program_in_cpp(place, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    compiler, headers = shutil.which("g++") or shutil.which("clang++"), _headers()
    if not (compiler and headers):
        pytest.skip("needs a C++ compiler and ONNX Runtime's headers: set ONNXRUNTIME_INCLUDE")
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    folder, mask = place
    (tmp_path / "segment.cpp").write_text(program("ONNX Runtime", "cpp"), encoding="utf-8")
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)  # the name that programs ask for
    command = [compiler, "-std=c++17", "-I", headers, "segment.cpp", "libonnxruntime.so.1"]
    command += [f"-Wl,-rpath,{tmp_path}", "-o", "segment"]
    subprocess.run(command, cwd=tmp_path, check=True)
    Image.open(folder / "photo.png").save(tmp_path / "photo.ppm")
    command = ["./segment", str(folder / "model.onnx"), "photo.ppm", "mask.pgm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    agree(Image.open(tmp_path / "mask.pgm"), mask)


@pytest.mark.slow
def test_trtexec_reads_the_model(place, tmp_path):
    if not shutil.which("trtexec"):
        pytest.skip("needs trtexec of TensorRT")
    command = program("TensorRT", "sh").replace("model.onnx", str(place[0] / "model.onnx"))
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "model.plan").is_file()


@pytest.mark.browser
def test_the_page_in_chromium(place, tmp_path):
    package = DRIVER / "node_modules" / "onnxruntime-web" / "dist"
    if not package.is_dir():
        pytest.skip(f"needs npm install in {DRIVER}")
    folder, mask = place
    (tmp_path / "index.html").write_text(program("In the browser", "html"), encoding="utf-8")
    wanted = ["ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]
    for name in wanted:
        shutil.copy(package / name, tmp_path)
    shutil.copy(folder / "model.onnx", tmp_path)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        node = shutil.which("node") or shutil.which("nodejs")
        chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser"])))
        script = Path(__file__).parent / "browser" / "segment.js"
        address = f"http://127.0.0.1:{server.server_port}/"
        command = [node, script, tmp_path, chromium, address, DRIVER / "page.js"]
        done = subprocess.run(
            [*map(str, command), str(folder / "photo.png")],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "mask.json").read_text())
    assert found["size"] == list(mask.shape)
    agree(np.array(found["mask"]).reshape(mask.shape), mask)


def test_every_runtime_has_a_program():
    for heading, language in (
        ("ONNX Runtime", "python"), ("ONNX Runtime", "cpp"), ("OpenCV 5", "python"),
        ("OpenVINO", "python"), ("TensorRT", "sh"), ("In the browser", "html"),
    ):  # fmt: skip
        text = program(heading, language)
        assert "model.onnx" in text or language == "cpp"
        if language == "python":
            compile(text, "moving_on.md", "exec")
