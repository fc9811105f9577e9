# How the project's targets are made: one library per folder, its links being the dependency table of docs/ARCHITECTURE.md.

# Warnings, hardening and sanitizers, in one place.
add_library(meshdns_options INTERFACE)
target_include_directories(meshdns_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_definitions(meshdns_options INTERFACE _GLIBCXX_ASSERTIONS BOOST_ASIO_NO_DEPRECATED
                                                     BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)
target_compile_options(
  meshdns_options
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-qual
            -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Wvla
            $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op> $<$<BOOL:${MESHDNS_WERROR}>:-Werror>
            -fstack-protector-strong -fPIE)
target_link_options(meshdns_options INTERFACE -pie -Wl,-z,relro,-z,now)
if(MESHDNS_SANITIZE)
  # UBSan's vptr check looks at an object through a pipe: without descriptors, which tests bring about, it finds none.
  target_compile_options(meshdns_options INTERFACE -fsanitize=${MESHDNS_SANITIZE} -fno-sanitize=vptr
                                                   -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(meshdns_options INTERFACE -fsanitize=${MESHDNS_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # glibc's fortify needs optimisation and hides memory errors from ASan.
  target_compile_options(meshdns_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_libraries(meshdns_options INTERFACE Threads::Threads)

# meshdns_library(<name> SOURCES <file>... [PUBLIC <target>...] [PRIVATE <target>...])
# A folder's library. With no source it is an INTERFACE library.
function(meshdns_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC meshdns_options ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# meshdns_program(<name> SOURCE <file> LINKS <target>...)
function(meshdns_program name)
  cmake_parse_arguments(ARG "" "SOURCE" "LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCE})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS OFF)
  if(NOT MESHDNS_SANITIZE)  # which have a heap of their own
    target_link_libraries(${name} PRIVATE PkgConfig::jemalloc)
  endif()
endfunction()

# What `./dev tsan` builds: every test program but those of gRPC, which is not compiled for TSan.
add_custom_target(meshdns_tests_without_grpc)

# meshdns_test(<name> SOURCES <file>... LINKS <target>... [LABELS <label>...])
# One test program per folder, run as one ctest test. Label `grpc` keeps it out of the TSan run; a test with label
# `counted` takes as long as its number takes.
function(meshdns_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} meshdns_test_support GTest::gmock_main)
  target_precompile_headers(${name} REUSE_FROM meshdns_test_pch)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
  if(NOT "counted" IN_LIST ARG_LABELS)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
  if(NOT "grpc" IN_LIST ARG_LABELS)
    add_dependencies(meshdns_tests_without_grpc ${name})
  endif()
endfunction()

# meshdns_fuzz(<name> SOURCE <file> LINKS <target>... [CORPUS <folder>])
# A libFuzzer target in the preset `fuzz`; everywhere else a program that replays its corpus as a ctest test.
function(meshdns_fuzz name)
  cmake_parse_arguments(ARG "" "SOURCE;CORPUS" "LINKS" ${ARGN})
  if(MESHDNS_FUZZ)
    add_executable(${name} ${ARG_SOURCE})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    file(WRITE ${CMAKE_BINARY_DIR}/fuzz_targets/${name} "${ARG_CORPUS}\n")  # read by `./dev fuzz`
  else()
    add_executable(${name} ${ARG_SOURCE})
    target_link_libraries(${name} PRIVATE meshdns_fuzz_replay)
    add_test(NAME ${name} COMMAND ${name} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${ARG_CORPUS})
    set_tests_properties(${name} PROPERTIES LABELS corpus TIMEOUT 120)
    add_dependencies(meshdns_tests_without_grpc ${name})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
endfunction()

# Asio and Beast are compiled once, here, and only declared everywhere else.
add_library(meshdns_asio STATIC ${CMAKE_CURRENT_LIST_DIR}/asio_impl.cc)
target_link_libraries(meshdns_asio PUBLIC meshdns_options Boost::headers)
if(MESHDNS_SANITIZE STREQUAL "thread")
  # Asio counts references with fences, which TSan does not model (chriskohlhoff/asio#1760).
  target_compile_options(meshdns_asio PUBLIC $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
endif()
add_library(meshdns_asio_ssl STATIC ${CMAKE_CURRENT_LIST_DIR}/asio_ssl_impl.cc)
target_link_libraries(meshdns_asio_ssl PUBLIC meshdns_asio OpenSSL::SSL)
add_library(meshdns_json STATIC ${CMAKE_CURRENT_LIST_DIR}/json_impl.cc)
target_link_libraries(meshdns_json PUBLIC meshdns_options Boost::headers)
add_library(meshdns_beast STATIC ${CMAKE_CURRENT_LIST_DIR}/beast_impl.cc)
target_link_libraries(meshdns_beast PUBLIC meshdns_asio)
