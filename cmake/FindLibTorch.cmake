# Finds LibTorch, NCCL and the CUDA runtime headers in the Python wheels (torch's own CMake package does not configure
# from a wheel). Gives LibTorch::cpu, and LibTorch::cuda, which is LibTorch::cpu alone when METALOOM_CUDA is OFF.
# Reads METALOOM_PYTHON; sets LibTorch_VERSION, LibTorch_PYTHON, LibTorch_LIBRARY_DIR, LibTorch_NCCL_VERSION.
set(LibTorch_PYTHON "${METALOOM_PYTHON}")
if(NOT LibTorch_PYTHON)
  set(LibTorch_PYTHON ${CMAKE_SOURCE_DIR}/.venv/bin/python)
  if(NOT EXISTS ${LibTorch_PYTHON})
    set(LibTorch_PYTHON python3)
  endif()
endif()
# Looked up without importing torch: it is quicker, and works where torch's CUDA libraries were not installed.
execute_process(COMMAND ${LibTorch_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/find_libtorch.py
                OUTPUT_VARIABLE found ERROR_VARIABLE python_error RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "No torch in ${LibTorch_PYTHON}: ${python_error}\n"
                      "Run `make setup`, or name a Python that has torch 2.11.0 with -DMETALOOM_PYTHON=/path/to/python.")
endif()
list(GET found 0 LibTorch_VERSION)
list(GET found 1 torch_dir)
list(GET found 2 nvidia_dir)
list(GET found 3 LibTorch_NCCL_VERSION)
list(GET found 4 python_prefix)
if(NOT LibTorch_VERSION MATCHES "^2\\.11\\.")
  message(FATAL_ERROR "${LibTorch_PYTHON} has torch ${LibTorch_VERSION}; metaloom is built against torch 2.11.0.")
endif()
set(LibTorch_LIBRARY_DIR ${torch_dir}/lib)

# torch's include folder carries fmt 12, which would shadow the fmt that spdlog was compiled with. A folder holding
# only a link to that fmt goes before it.
find_path(FMT_INCLUDE_DIR fmt/core.h HINTS ${python_prefix}/include REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_first)
file(CREATE_LINK ${FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/fmt_first/fmt SYMBOLIC)

add_library(LibTorch_cpu INTERFACE)
add_library(LibTorch::cpu ALIAS LibTorch_cpu)
target_include_directories(LibTorch_cpu SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/fmt_first ${torch_dir}/include)
target_link_libraries(LibTorch_cpu INTERFACE ${torch_dir}/lib/libtorch_cpu.so ${torch_dir}/lib/libc10.so)
target_link_options(LibTorch_cpu INTERFACE -Wl,--allow-shlib-undefined)

add_library(LibTorch_cuda INTERFACE)
add_library(LibTorch::cuda ALIAS LibTorch_cuda)
target_link_libraries(LibTorch_cuda INTERFACE LibTorch_cpu)
if(METALOOM_CUDA)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${nvidia_dir}/nccl/include ${python_prefix}/include REQUIRED)
  find_path(CUDA_INCLUDE_DIR cuda_runtime_api.h HINTS ${nvidia_dir}/cu13/include ${python_prefix}/include
            PATH_SUFFIXES targets/x86_64-linux/include NO_DEFAULT_PATH REQUIRED)
  find_path(CUDA_CRT_INCLUDE_DIR crt/host_config.h HINTS ${CUDA_INCLUDE_DIR} REQUIRED)
  find_path(CUDA_CCCL_INCLUDE_DIR nv/target HINTS ${CUDA_INCLUDE_DIR} PATH_SUFFIXES cccl REQUIRED)
  find_library(NCCL_LIBRARY NAMES libnccl.so.2 nccl HINTS ${nvidia_dir}/nccl/lib ${python_prefix}/lib REQUIRED)
  find_library(CUDART_LIBRARY NAMES libcudart.so.13 cudart HINTS ${nvidia_dir}/cu13/lib ${python_prefix}/lib
               NO_DEFAULT_PATH REQUIRED)
  target_include_directories(LibTorch_cuda SYSTEM INTERFACE ${NCCL_INCLUDE_DIR} ${CUDA_INCLUDE_DIR}
                             ${CUDA_CRT_INCLUDE_DIR} ${CUDA_CCCL_INCLUDE_DIR})
  target_compile_definitions(LibTorch_cuda INTERFACE METALOOM_CUDA=1)
  # Nothing of ours names a symbol of libtorch_cuda: loading it is what registers the CUDA kernels.
  target_link_libraries(LibTorch_cuda INTERFACE -Wl,--no-as-needed ${torch_dir}/lib/libtorch_cuda.so
                        ${torch_dir}/lib/libc10_cuda.so ${NCCL_LIBRARY} ${CUDART_LIBRARY} -Wl,--as-needed)
endif()
message(STATUS "torch ${LibTorch_VERSION} of ${LibTorch_PYTHON} (CUDA: ${METALOOM_CUDA})")
set(LibTorch_FOUND TRUE)
