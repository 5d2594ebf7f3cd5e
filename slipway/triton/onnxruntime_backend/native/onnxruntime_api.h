/* The part of ONNX Runtime's C interface that this backend uses: a stable C ABI.
 *
 * OrtApi is a table of functions to which each version appends. Those that are not used are skipped; an assertion below
 * keeps every block of names at its place. A status is NULL for success; whoever gets one releases it.
 */
#ifndef SLIPWAY_ONNXRUNTIME_API_H
#define SLIPWAY_ONNXRUNTIME_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 24 /* of ONNX Runtime 1.24, which brought the last function of the table below */

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtProviderOptions OrtProviderOptions; /* of CUDA or of TensorRT */

typedef enum { ORT_OK = 0 } OrtErrorCode;

typedef enum {
  ORT_TYPE_UNDEFINED,
  ORT_TYPE_FLOAT,
  ORT_TYPE_UINT8,
  ORT_TYPE_INT8,
  ORT_TYPE_UINT16,
  ORT_TYPE_INT16,
  ORT_TYPE_INT32,
  ORT_TYPE_INT64,
  ORT_TYPE_STRING,
  ORT_TYPE_BOOL,
  ORT_TYPE_FLOAT16,
  ORT_TYPE_DOUBLE,
  ORT_TYPE_UINT32,
  ORT_TYPE_UINT64,
  ORT_TYPE_COMPLEX64,
  ORT_TYPE_COMPLEX128,
  ORT_TYPE_BFLOAT16
} OrtElementType;

enum { ORT_DISABLE_ALL = 0, ORT_ENABLE_BASIC = 1, ORT_ENABLE_EXTENDED = 2, ORT_ENABLE_ALL = 99 };
enum { ORT_LOG_WARNING = 2, ORT_LOG_ERROR = 3, ORT_LOG_FATAL = 4 };
enum { ORT_DEVICE_ALLOCATOR = 0, ORT_MEMORY_DEFAULT = 0 };

typedef void (*OrtLogger)(void *context, int severity, const char *category, const char *id, const char *location,
                          const char *message);

typedef struct OrtApi {
  void *skipped_0[1];
  OrtErrorCode (*GetErrorCode)(const OrtStatus *);
  const char *(*GetErrorMessage)(const OrtStatus *);
  void *skipped_3[1];
  OrtStatus *(*CreateEnvWithCustomLogger)(OrtLogger, void *context, int least_severity, const char *id, OrtEnv **);
  void *skipped_5[2];
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **);
  void *skipped_8[1];
  OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *input_names,
                    const OrtValue *const *inputs, size_t input_count, const char *const *output_names,
                    size_t output_count, OrtValue **outputs);
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);
  void *skipped_11[2];
  OrtStatus *(*SetSessionExecutionMode)(OrtSessionOptions *, int mode);
  void *skipped_14[3];
  OrtStatus *(*DisableMemPattern)(OrtSessionOptions *);
  void *skipped_18[1];
  OrtStatus *(*DisableCpuMemArena)(OrtSessionOptions *);
  void *skipped_20[3];
  OrtStatus *(*SetSessionGraphOptimizationLevel)(OrtSessionOptions *, int level);
  OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *, int);
  OrtStatus *(*SetInterOpNumThreads)(OrtSessionOptions *, int);
  void *skipped_26[4];
  OrtStatus *(*SessionGetInputCount)(const OrtSession *, size_t *);
  OrtStatus *(*SessionGetOutputCount)(const OrtSession *, size_t *);
  void *skipped_32[1];
  OrtStatus *(*SessionGetInputTypeInfo)(const OrtSession *, size_t index, OrtTypeInfo **);
  OrtStatus *(*SessionGetOutputTypeInfo)(const OrtSession *, size_t index, OrtTypeInfo **);
  void *skipped_35[1];
  OrtStatus *(*SessionGetInputName)(const OrtSession *, size_t index, OrtAllocator *, char **);
  OrtStatus *(*SessionGetOutputName)(const OrtSession *, size_t index, OrtAllocator *, char **);
  void *skipped_38[1];
  OrtStatus *(*CreateRunOptions)(OrtRunOptions **);
  void *skipped_40[1];
  OrtStatus *(*RunOptionsSetRunLogSeverityLevel)(OrtRunOptions *, int severity);
  void *skipped_42[6];
  OrtStatus *(*CreateTensorAsOrtValue)(OrtAllocator *, const int64_t *shape, size_t rank, OrtElementType,
                                       OrtValue **);
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t bytes, const int64_t *shape,
                                               size_t rank, OrtElementType, OrtValue **);
  void *skipped_50[1];
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
  void *skipped_52[1];
  OrtStatus *(*GetStringTensorDataLength)(const OrtValue *, size_t *);
  OrtStatus *(*GetStringTensorContent)(const OrtValue *, void *text, size_t bytes, size_t *offsets, size_t count);
  OrtStatus *(*CastTypeInfoToTensorInfo)(const OrtTypeInfo *, const OrtTensorTypeAndShapeInfo **);
  void *skipped_56[4];
  OrtStatus *(*GetTensorElementType)(const OrtTensorTypeAndShapeInfo *, OrtElementType *);
  OrtStatus *(*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *, size_t *);
  OrtStatus *(*GetDimensions)(const OrtTensorTypeAndShapeInfo *, int64_t *dims, size_t rank);
  void *skipped_63[2];
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);
  void *skipped_66[2];
  OrtStatus *(*CreateMemoryInfo)(const char *name, int allocator_type, int device_id, int memory_type,
                                 OrtMemoryInfo **);
  void *skipped_69[7];
  OrtStatus *(*AllocatorFree)(OrtAllocator *, void *);
  void *skipped_77[1];
  OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **);
  void *skipped_79[13];
  void (*ReleaseEnv)(OrtEnv *);
  void (*ReleaseStatus)(OrtStatus *);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo *);
  void (*ReleaseSession)(OrtSession *);
  void (*ReleaseValue)(OrtValue *);
  void (*ReleaseRunOptions)(OrtRunOptions *);
  void (*ReleaseTypeInfo)(OrtTypeInfo *);
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
  void (*ReleaseSessionOptions)(OrtSessionOptions *);
  void *skipped_101[29];
  OrtStatus *(*AddSessionConfigEntry)(OrtSessionOptions *, const char *key, const char *value);
  void *skipped_131[39];
  OrtStatus *(*SessionOptionsAppendExecutionProvider_TensorRT_V2)(OrtSessionOptions *, const OrtProviderOptions *);
  OrtStatus *(*CreateTensorRTProviderOptions)(OrtProviderOptions **);
  OrtStatus *(*UpdateTensorRTProviderOptions)(OrtProviderOptions *, const char *const *keys,
                                              const char *const *values, size_t count);
  void *skipped_173[1];
  void (*ReleaseTensorRTProviderOptions)(OrtProviderOptions *);
  void *skipped_175[29];
  OrtStatus *(*SessionOptionsAppendExecutionProvider_CUDA_V2)(OrtSessionOptions *, const OrtProviderOptions *);
  OrtStatus *(*CreateCUDAProviderOptions)(OrtProviderOptions **);
  OrtStatus *(*UpdateCUDAProviderOptions)(OrtProviderOptions *, const char *const *keys, const char *const *values,
                                          size_t count);
  void *skipped_207[1];
  void (*ReleaseCUDAProviderOptions)(OrtProviderOptions *);
  void *skipped_209[43];
  OrtStatus *(*GetResizedStringTensorElementBuffer)(OrtValue *, size_t index, size_t bytes, char **);
  void *skipped_253[137];
  bool (*TensorTypeAndShape_HasShape)(const OrtTensorTypeAndShapeInfo *);} OrtApi;

typedef struct {
  const OrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

#define ORT_AT(name, index) _Static_assert(offsetof(OrtApi, name) == (index) * sizeof(void *), #name)
ORT_AT(Run, 9);
ORT_AT(SetInterOpNumThreads, 25);
ORT_AT(SessionGetOutputName, 37);
ORT_AT(RunOptionsSetRunLogSeverityLevel, 41);
ORT_AT(CreateTensorWithDataAsOrtValue, 49);
ORT_AT(GetTensorMutableData, 51);
ORT_AT(CastTypeInfoToTensorInfo, 55);
ORT_AT(GetTensorTypeAndShape, 65);
ORT_AT(CreateMemoryInfo, 68);
ORT_AT(GetAllocatorWithDefaultOptions, 78);
ORT_AT(ReleaseSessionOptions, 100);
ORT_AT(AddSessionConfigEntry, 130);
ORT_AT(ReleaseTensorRTProviderOptions, 174);
ORT_AT(ReleaseCUDAProviderOptions, 208);
ORT_AT(GetResizedStringTensorElementBuffer, 252);
ORT_AT(TensorTypeAndShape_HasShape, 390);

#endif
