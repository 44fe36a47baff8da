# libcheng-explore: the same sources, instrumented, on the host that explores schedules (src/host/explore). One archive
# with one object, so that whoever needs any of it has all of it: it stands in for parts of libc. The text of the
# library, and that of the explorer, are sections of their own, by which the explorer tells whose an access is.
set(host_sources ${sources})
file(GLOB explore_sources CONFIGURE_DEPENDS src/host/explore/*.c)
set(wrap_main ${PROJECT_SOURCE_DIR}/src/host/explore/wrap_main.c)
list(REMOVE_ITEM explore_sources ${wrap_main})
set(switch src/host/linux/switch_${CMAKE_SYSTEM_PROCESSOR}.S)
list(FILTER host_sources EXCLUDE REGEX "/host/linux/|/arena/sys_arena.c$")
list(APPEND host_sources src/arena/explore_arena.c)

add_library(cheng_explore_library STATIC ${host_sources})
add_library(cheng_explore_host STATIC ${explore_sources} ${switch})
target_compile_options(cheng_explore_library PRIVATE -fsanitize=thread $<$<C_COMPILER_ID:GNU>:-Wno-tsan>)
target_compile_options(cheng_explore_host PRIVATE -fno-builtin)
foreach(part library host)
    set(target cheng_explore_${part})
    target_compile_options(${target} PRIVATE
        -g $<$<C_COMPILER_ID:GNU>:-fno-reorder-functions -fno-reorder-blocks-and-partition -fno-tree-loop-distribute-patterns>)
    target_include_directories(${target} PRIVATE include src)
    target_link_libraries(${target} PRIVATE cheng_flags)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
endforeach()
add_custom_command(TARGET cheng_explore_library POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} --rename-section .text=cheng_text --rename-section .text.unlikely=cheng_text
        $<TARGET_FILE:cheng_explore_library>)
add_custom_command(TARGET cheng_explore_host POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} --rename-section .text=cheng_explore_text
        --rename-section .text.unlikely=cheng_explore_text $<TARGET_FILE:cheng_explore_host>)

set(archive ${PROJECT_BINARY_DIR}/libcheng-explore.a)
add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_LINKER} -r --whole-archive -o cheng-explore.o
        $<TARGET_FILE:cheng_explore_library> $<TARGET_FILE:cheng_explore_host>
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} rcs ${archive} cheng-explore.o
    DEPENDS cheng_explore_library cheng_explore_host VERBATIM)
add_custom_target(cheng_explore_archive ALL DEPENDS ${archive})

# What users link and compile with; the flags are for compiling only.
add_library(cheng_explore INTERFACE)
add_library(cheng::explore ALIAS cheng_explore)
set_target_properties(cheng_explore PROPERTIES EXPORT_NAME explore)
add_dependencies(cheng_explore cheng_explore_archive)
target_include_directories(cheng_explore INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# DWARF 4: of what Clang writes as DWARF 5, addr2line does not know who was inlined where.
target_compile_options(cheng_explore INTERFACE -gdwarf-4 -fsanitize=thread -DCHENG_NO_INLINE -pthread)
target_link_libraries(cheng_explore INTERFACE
    $<BUILD_INTERFACE:${archive}> $<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${CMAKE_INSTALL_LIBDIR}/libcheng-explore.a>)
target_link_options(cheng_explore INTERFACE -pthread)

# The same around an ordinary program, whose main it explores.
add_library(cheng_explore_main STATIC ${wrap_main})
add_library(cheng::explore-main ALIAS cheng_explore_main)
set_target_properties(cheng_explore_main PROPERTIES OUTPUT_NAME cheng-explore-main EXPORT_NAME explore-main)
target_link_libraries(cheng_explore_main PRIVATE $<BUILD_INTERFACE:cheng_flags> INTERFACE cheng_explore)
target_include_directories(cheng_explore_main PRIVATE include)
target_link_options(cheng_explore_main INTERFACE LINKER:--wrap=main)

configure_file(cmake/cheng-explore.pc.in cheng-explore.pc @ONLY)
configure_file(cmake/cheng-explore-main.pc.in cheng-explore-main.pc @ONLY)
install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS cheng_explore cheng_explore_main EXPORT cheng)
install(FILES ${PROJECT_BINARY_DIR}/cheng-explore.pc ${PROJECT_BINARY_DIR}/cheng-explore-main.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
