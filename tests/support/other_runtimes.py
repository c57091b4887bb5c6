"""Runs ONNX models in other programs' runtimes: from {input: array} to {output: array}."""

import numpy as np


def onnxruntime(path, images, outputs):
    import onnxruntime as package

    options = package.SessionOptions()
    options.intra_op_num_threads = 1
    session = package.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(zip(outputs, session.run(outputs, images)))


def openvino(path, images, outputs):
    import openvino as package

    core = package.Core()
    # It computes in bfloat16 on processors that have it, unless told otherwise.
    model = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = model(images)
    return {name: np.array(found[model.output(name)]) for name in outputs}


def opencv(path, images, outputs):
    import cv2

    net = cv2.dnn.readNetFromONNX(str(path))
    for name, image in images.items():
        net.setInput(image, name)
    return dict(zip(outputs, net.forward(outputs)))


# Name -> (the module that it needs, what runs it).
RUNTIMES = {
    "ONNX Runtime": ("onnxruntime", onnxruntime),
    "OpenVINO": ("openvino", openvino),
    "OpenCV": ("cv2", opencv),
}
