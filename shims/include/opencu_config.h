/* opencu_config.h - which CUDA the headers describe: 13, or 12 with -DOPENCU_CUDA_MAJOR=12. */
#ifndef OPENCU_CONFIG_H
#define OPENCU_CONFIG_H
#ifndef OPENCU_CUDA_MAJOR
#define OPENCU_CUDA_MAJOR 13
#endif
#if OPENCU_CUDA_MAJOR != 12 && OPENCU_CUDA_MAJOR != 13
#error "OPENCU_CUDA_MAJOR must be 12 or 13"
#endif
#ifdef __cplusplus
#define OPENCU_DEFAULT(value) = value
#else
#define OPENCU_DEFAULT(value)
#endif
#endif
