# Libraries from the system (Debian packages, modules or conda), each under a name of ours.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(spdlog REQUIRED IMPORTED_TARGET spdlog)
pkg_check_modules(fmt REQUIRED IMPORTED_TARGET fmt)
add_library(spdlog_fmt INTERFACE)
target_link_libraries(spdlog_fmt INTERFACE PkgConfig::spdlog PkgConfig::fmt Threads::Threads)
add_library(spdlog::metaloom ALIAS spdlog_fmt)

pkg_search_module(hdf5 REQUIRED IMPORTED_TARGET hdf5-serial hdf5)
add_library(HDF5::metaloom ALIAS PkgConfig::hdf5)
# Headers only: a compiled toml++ writes 0.9 as 0.90000000000000002 (core/config_content.h).
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
add_library(tomlplusplus INTERFACE)
target_include_directories(tomlplusplus SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE})
add_library(tomlplusplus::metaloom ALIAS tomlplusplus)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
add_library(xxHash::metaloom ALIAS PkgConfig::xxhash)
find_package(nlohmann_json REQUIRED)

# Any MPI that speaks C: Open MPI's pkg-config file where there is one, else whatever mpicc says.
pkg_check_modules(ompi QUIET IMPORTED_TARGET ompi-c)
add_library(mpi_c INTERFACE)
if(ompi_FOUND)
  target_link_libraries(mpi_c INTERFACE PkgConfig::ompi)
  set(METALOOM_MPI_VERSION "Open MPI ${ompi_VERSION}")
else()
  find_package(MPI REQUIRED COMPONENTS C)
  target_link_libraries(mpi_c INTERFACE MPI::MPI_C)
  set(METALOOM_MPI_VERSION "MPI ${MPI_C_VERSION}")
endif()
# The C++ bindings are long gone from the standard; without this the link asks for them.
target_compile_definitions(mpi_c INTERFACE OMPI_SKIP_MPICXX=1 MPICH_SKIP_MPICXX=1)
add_library(MPI::metaloom ALIAS mpi_c)

# Only tests/ and bench/ need these: where one is missing, the program alone is built.
find_package(GTest QUIET)
find_package(benchmark QUIET)
find_library(RAPIDCHECK_LIBRARY rapidcheck)
set(METALOOM_LACKING "")
if(NOT GTest_FOUND)
  list(APPEND METALOOM_LACKING GoogleTest)
endif()
if(NOT benchmark_FOUND)
  list(APPEND METALOOM_LACKING "Google Benchmark")
endif()
if(NOT RAPIDCHECK_LIBRARY)
  list(APPEND METALOOM_LACKING RapidCheck)
endif()
if(METALOOM_LACKING)
  list(JOIN METALOOM_LACKING ", " lacking)
  if(METALOOM_CHECKS OR METALOOM_SANITIZE) # a build for the sake of its tests
    message(FATAL_ERROR "The tests need ${lacking}: install the packages of tools/debian-packages.txt (make setup does), "
                        "or the like from conda-forge; CMAKE_PREFIX_PATH leads to unusual places.")
  endif()
  message(STATUS "No ${lacking}: tests/ and bench/ are left out")
endif()
