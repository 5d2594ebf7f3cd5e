"""Triton's backend `onnxruntime` for a tritonserver that can only run Python; loaded by Triton, never imported here."""
