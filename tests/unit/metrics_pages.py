"""Pages of metrics, as Triton writes them."""

METRICS = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="mnist",version="1"} 1
nv_inference_request_duration_us{model="mnist",version="1"} 812
nv_inference_pending_request_count{model="mnist",version="1"} 0
"""
