# Most of a file's compile time is reading ATen's headers: they are read once, and every target reuses the result. Files
# still include what they use: clang-tidy sees them without it (tools/lint.py).
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/precompiled.cpp CONTENT "// holds the precompiled headers\n")
add_library(metaloom_precompiled OBJECT ${CMAKE_BINARY_DIR}/generated/precompiled.cpp)
target_link_libraries(metaloom_precompiled PRIVATE LibTorch::cpu)
target_precompile_headers(metaloom_precompiled PRIVATE <ATen/ATen.h> <functional> <map> <memory> <optional> <span> <string> <vector>)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/CMakeFiles/metaloom_precompiled.dir/cmake_pch.hxx.gch.sum
     CONTENT "torch ${LibTorch_VERSION}, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${METALOOM_SANITIZE}\n")

function(metaloom_precompiled target)
  target_precompile_headers(${target} REUSE_FROM metaloom_precompiled)
  if(CCACHE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # asked for by ccache, too
  endif()
endfunction()
