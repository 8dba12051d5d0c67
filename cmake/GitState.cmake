# The program knows its commit. Asked at every build, but written only when the answer changed: then one small file
# compiles and the programs link again, nothing else.
set(sanitizers ${METALOOM_SANITIZE})
if(NOT sanitizers)
  set(sanitizers none)
endif()
set(version_values -DTORCH_VERSION=${LibTorch_VERSION} -DNCCL_VERSION=${LibTorch_NCCL_VERSION} -DHDF5_VERSION=${hdf5_VERSION}
    "-DMPI_VERSION=${METALOOM_MPI_VERSION}" -DSPDLOG_VERSION=${spdlog_VERSION} -DFMT_VERSION=${fmt_VERSION}
    "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" -DPROJECT_VERSION=${PROJECT_VERSION}
    "-DBUILD=${CMAKE_BUILD_TYPE}" -DWITH_CUDA=${METALOOM_CUDA} "-DSANITIZE=${sanitizers}")
add_custom_target(metaloom_git_state
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${CMAKE_BINARY_DIR}/generated/version.cpp
          ${version_values} -P ${CMAKE_SOURCE_DIR}/cmake/write_version.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/version.cpp
  COMMENT "Asking git for the commit" VERBATIM)
add_dependencies(metaloom_core metaloom_git_state)
