/* A model's configuration as ONNX Runtime's session options, by the names of Triton's own ONNX Runtime backend. */
#ifndef SLIPWAY_OPTIONS_H
#define SLIPWAY_OPTIONS_H

#include "model.h"

Error *options_apply(const Runtime *runtime, const Model *model, int32_t device, OrtSessionOptions *options);

#endif
