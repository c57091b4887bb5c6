"""Nets and weights in the forms of other frameworks, and back: ONNX, safetensors, state dicts."""
